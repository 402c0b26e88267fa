"""Pictures of the test cases that a reader should look at: the most wrong, the most certain."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from greenstick.cohorts.cohort import Cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.concluding import Concluded
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.pixels import pixels_of
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.explanation.activation_maps import heatmap
from greenstick.explanation.overlay import overlay
from greenstick.files import write_whole
from greenstick.radiographs.canvas import Placement
from greenstick.radiographs.opening import open_radiograph

_SHOWN_PX = 768  # pictures are for looking at, so the radiograph may be decoded at this size
_KINDS = {
    (1, False): "false negative",
    (0, True): "false positive",
    (1, True): "true positive",
    (0, False): "true negative",
}
#: Of the pictures, how many in a hundred are of each kind; what a kind lacks goes to the next.
_SHARES = {"false negative": 38, "false positive": 38, "true positive": 16, "true negative": 8}


def pick_cases(scores: pl.DataFrame, n: int) -> pl.DataFrame:
    """Return n test rows to look at, with their ``kind``, the most wrong first.

    Errors are sorted by how far the score lies on the wrong side, right answers by how far it
    lies on the right one. An image that several folds scored is shown once.
    """
    kinds = [_KINDS[pair] for pair in scores.select("label", "decision").rows()]
    rows = scores.with_columns(
        kind=pl.Series(kinds, dtype=pl.String),
        # 1: surely a fracture where a high score is the extreme one, 0 elsewhere
        rank=pl.when(pl.col("decision")).then(-pl.col("score")).otherwise(pl.col("score")),
    )
    rows = rows.sort("rank", "image").unique("image", keep="first", maintain_order=True)
    picked, left = [], n
    for kind, share in _SHARES.items():
        of_kind = rows.filter(pl.col("kind") == kind).head(min(left, round(n * share / 100)))
        picked.append(of_kind)
        left -= of_kind.height
    return pl.concat(picked).drop("rank")


def write_overlays(
    run: RunFolder, cohort: Cohort, experiment: Experiment, concluded: Sequence[Concluded]
) -> None:
    """Draw the picked test cases with their heat maps, and list them in ``overlays.parquet``.

    Cases are those of the first backbone. A picture that cannot be drawn any more (its file is
    gone since) is left out.
    """
    backbone = concluded[0].fold.backbone
    scores = run.table("scores").filter(split="test", model=backbone)
    cases = pick_cases(scores, experiment.evidence.overlays).join(
        cohort.table.select("image", "boxes"), on="image", how="left", maintain_order="left"
    )
    by_fold = {(each.fold.repeat, each.fold.fold): each for each in _of(backbone, concluded)}
    wanted = {(row["repeat"], row["fold"]) for row in cases.iter_rows(named=True)}
    maps = {key: by_fold[key].maps(run) for key in wanted}
    pixels = pixels_of(run, cohort, experiment.recipe.canvas_px)
    files: list[str | None] = []
    for number, row in enumerate(cases.iter_rows(named=True)):
        (placement,) = pixels.placements(cases[number])
        name = f"{number:02d}-{re.sub(r'[^A-Za-z0-9_-]', '_', Path(row['image']).stem)[:60]}.png"
        key = row["repeat"], row["fold"]
        temperature = by_fold[key].decision.temperature.value
        try:
            picture = _draw(
                cohort.root / row["image"], row, maps[key][row["image"]], temperature, placement
            )
        except GreenstickError:
            files.append(None)
            continue
        write_whole(run / "overlays" / name, partial(picture.save, format="PNG"))
        files.append(name)
    listed = cases.with_columns(file=pl.Series(files, dtype=pl.String)).drop_nulls("file")
    columns = ("image", "file", "kind", "score", "label", "model")
    write_table(listed.select(columns), run / "overlays.parquet")


def _of(backbone: str, concluded: Sequence[Concluded]) -> list[Concluded]:
    return [each for each in concluded if each.fold.backbone == backbone]


def _draw(
    path: Path,
    row: dict[str, Any],
    cells: NDArray[np.float32],
    temperature: float,
    placement: Placement,
) -> Image.Image:
    radiograph = open_radiograph(path, at_least_px=_SHOWN_PX)
    heat = heatmap(cells, placement, temperature=temperature)
    boxes = [(box["x"], box["y"], box["width"], box["height"]) for box in row["boxes"] or ()]
    return overlay(radiograph.pixels, heat, boxes=boxes, score=row["score"], caption=row["kind"])
