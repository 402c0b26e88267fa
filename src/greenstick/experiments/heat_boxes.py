"""Boxes around what stands out of the heat maps of test images, measured against true boxes.

They are the boxes that a reader shows: where a map reaches the operating point, on images that are
called a fracture. Finding them needs the maps; judging them needs the run's tables alone.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.evidence.detection import (
    DetectionEvidence,
    given_confidence,
    judge_boxes,
    write_detection,
)
from greenstick.evidence.detection.predictions import on_truth
from greenstick.evidence.detection.truth import truth_of
from greenstick.experiments.concluding import Concluded
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.pixels import pixels_of
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.explanation.activation_maps import Heatmap, heatmap
from greenstick.explanation.regions import regions
from greenstick.models.card import read_card

BOXES, EVIDENCE = "heat_boxes.parquet", "heat_boxes.json"

SCHEMA = {
    "image": pl.String,
    "x": pl.Float64,
    "y": pl.Float64,
    "width": pl.Float64,
    "height": pl.Float64,
    "score": pl.Float64,  # the map's greatest value within
}


def judge_heat_boxes(
    run: RunFolder, cohort: Cohort, experiment: Experiment, concluded: Sequence[Concluded]
) -> None:
    """Find the boxes of test images' heat maps, and judge them, where the cohort has true ones.

    Writes ``heat_boxes.parquet`` and ``heat_boxes.json``, of the first network and repeat, and
    where several are compared ``evidence/<name>.heat_boxes.json`` of each; nothing where no test
    image has a box.
    """
    by_network: dict[str, list[Concluded]] = {}
    for each in concluded:
        if each.fold.repeat == concluded[0].fold.repeat:
            by_network.setdefault(each.fold.backbone, []).append(each)
    for name, mine in by_network.items():
        rows = pl.concat([each.fold.rows(cohort, "test") for each in mine])
        boxed = (pl.col("label") == 1) & (pl.col("boxes").list.len() > 0)
        if rows.filter(boxed).is_empty():
            return
        found = pl.concat([_boxes_of(run, cohort, experiment, each) for each in mine])
        evidence = _judge(
            found, rows, name, seed=experiment.seed, replicates=experiment.evidence.replicates
        )
        if name == concluded[0].fold.backbone:
            write_table(found, run / BOXES)
            write_detection(evidence, run / EVIDENCE)
        if len(by_network) > 1:
            write_detection(evidence, run / "evidence" / f"{name}.{EVIDENCE}")


def judge_run(
    folder: Path, rows: pl.DataFrame, *, model: str = "", seed: int = 0, replicates: int = 2000
) -> None:
    """Judge a run's ``heat_boxes.parquet`` on rows of its cohort; write ``heat_boxes.json``.

    Fractures without a box are left out, and said to be. All classes of boxes are taken for one.
    """
    found = pl.read_parquet(folder / BOXES)
    evidence = _judge(found, rows, model, seed=seed, replicates=replicates)
    write_detection(evidence, folder / EVIDENCE)


def _judge(
    found: pl.DataFrame, rows: pl.DataFrame, model: str, *, seed: int, replicates: int
) -> DetectionEvidence:
    truth = truth_of(rows, "The test rows")
    predicted = on_truth(found, truth, skip_unknown=True, any_class=True)
    return judge_boxes(
        truth.against(predicted.boxes).merged(),
        rows="test",
        model=model,
        # All that reaches the operating point is shown: nothing is left to be chosen here.
        confidence=given_confidence(0.0, chosen_on="the operating point"),
        seed=seed,
        replicates=replicates,
        findings=truth.findings,
    )


def _boxes_of(
    run: RunFolder, cohort: Cohort, experiment: Experiment, each: Concluded
) -> pl.DataFrame:
    rows, maps = each.fold.rows(cohort, "test"), each.maps(run)
    placements = pixels_of(run, cohort, experiment.recipe.canvas_px).placements(rows)
    temperature, threshold = each.decision.temperature.value, each.decision.point.threshold
    sides = read_card(run.model(each.fold.name)).box_limits
    called = set(each.scores.filter(pl.col("decision"), split="test")["image"])
    tables = [
        boxes_of(image, heatmap(maps[image], placement, temperature=temperature), threshold, sides)
        for image, placement in zip(rows["image"], placements, strict=True)
        if image in called  # what is called no fracture has no box
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *tables])


def boxes_of(
    image: str, heat: Heatmap, threshold: float, sides: tuple[float, float] | None = None
) -> pl.DataFrame:
    """Return the boxes of one heat map as a predictions file has them."""
    found = [
        (image, r.x, r.y, r.width, r.height, r.probability)
        for r in regions(heat, threshold, sides=sides)
    ]
    return pl.DataFrame(found, schema=SCHEMA, orient="row")
