"""A classifier and a detector that answer as one: fitted on validation, tried on test images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.cohort import Cohort
from greenstick.decision.fusion import apply_fusion, fit_fusion
from greenstick.decision.operating_points import Rule, choose_operating_point
from greenstick.errors import GreenstickError
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.rows import to_rows
from greenstick.files import copy_whole, write_whole
from greenstick.models.card import CARD, Card, CardOperatingPoint
from greenstick.models.familiar import FAMILIAR
from greenstick.reading.fused import BOXES, Fused
from greenstick.reading.reader import Reader, find_model
from greenstick.reading.region import REGION, copy_region
from greenstick.reading.runtime import copy_network

Progress = Callable[[int, int], None]
Floats = NDArray[np.float64]

_SPLITS = "splits.parquet"  # of a run: what its models were trained on
#: The test scores: of the classifier, of the detector's best box, and of both as one.
SCORES = "scores.parquet"
MODELS = ("classifier", "detector", "fused")
#: Of fewer validation images with, or without, a fracture the weights are mostly chance.
FEW = 100
_WITHOUT_TARGET: dict[str, Rule] = {"youden": "youden", "f1": "f1", "closest": "closest"}


@dataclass(frozen=True)
class Fusing:
    """What became of a fusion.

    Attributes
    ----------
    folder
        Takes the place of a model in ``greenstick read``.
    fused
        What is in it.
    aurocs
        On test images, of each of :data:`MODELS`.
    unread
        Images that the reader refused, which took no part.
    rarer
        Validation images of the rarer label, on which it was fitted.
    """

    folder: Path
    fused: Fused
    aurocs: dict[str, Estimate]
    unread: int
    rarer: int


def fuse_models(
    cohort: Cohort,
    classifier: Path,
    detector: Path,
    output: Path,
    *,
    threads: int = 0,
    progress: Progress | None = None,
) -> Fusing:
    """Fit how both scores become one on the split 'valid', try it on 'test', and keep it.

    Images are read as ``greenstick read`` reads them. Thresholds are chosen anew, by the rules of
    the classifier's card, on the validation images too.

    Parameters
    ----------
    cohort
        With the splits; images of unknown label take no part.
    classifier, detector
        Their folders. Neither may have been trained on these images.
    output
        A folder that reads by both; replaced file by file.
    threads
        As of :class:`~greenstick.reading.reader.Reader`.
    progress
        Called with (done, all) after each image.

    Raises
    ------
    GreenstickError
        Where a folder holds no such model, or is the one to write into, a split is missing or of
        one class, or the classifier was trained on one of the images.
    """
    reader = Reader(classifier, boxes_from=detector, threads=threads)
    rows = cohort.with_table(
        cohort.table.filter(pl.col("split").is_in(["valid", "test"]), pl.col("label").is_not_null())
    )
    if output.resolve() in (reader.folder.resolve(), Path(detector).resolve()):
        raise GreenstickError(
            f"{output} holds one of the two models.", remedy="Choose another folder with -o."
        )
    _check(rows, classifier)
    scores = _scored(reader, rows, progress)
    valid, test = (scores.filter(split=name) for name in ("valid", "test"))
    label, first, second = (valid[name].to_numpy() for name in ("label", "classifier", "detector"))
    fusion = fit_fusion(label, first, second, fitted_on="valid", images=valid["image"].to_list())
    if fusion.saw(test["label"], test["classifier"], test["image"].to_list()):
        raise GreenstickError(
            "Images of the split 'valid' are in the split 'test' too, under other names perhaps: "
            "a fusion fitted on the one would be tried on itself.",
            remedy="Find the copies with 'greenstick cohort audit', then split again.",
        )
    fused = Fused(
        classifier=reader.card.name,
        detector=reader.facts()["detector"],
        fusion=fusion,
        operating_points=_points(reader.card, label, first, apply_fusion(fusion, first, second)),
    )
    _write(output, fused, reader.folder, Path(detector))
    long = _tried(test, fused)
    write_whole(output / SCORES, long.write_parquet)
    aurocs = {name: auroc(to_rows(long.filter(model=name))) for name in MODELS}
    rarer = min(int(label.sum()), int((label == 0).sum()))
    return Fusing(output, fused, aurocs, len(rows) - scores.height, rarer)


def _check(rows: Cohort, classifier: Path) -> None:
    for name in ("valid", "test"):
        labels = rows.table.filter(split=name)["label"]
        if labels.n_unique() < 2:
            raise GreenstickError(
                f"The split {name!r} needs images with and without a fracture "
                f"(it has {len(labels)}).",
                remedy="Split the cohort first: greenstick cohort split.",
            )
    run = find_model(classifier).parent.parent
    if not (run / _SPLITS).is_file():
        return
    taught = pl.read_parquet(run / _SPLITS).filter(split="train")["image"].unique()
    own = {(run / image).resolve() for image in taught}
    seen = [path for path in rows.paths() if path.resolve() in own]
    if seen:
        raise GreenstickError(
            f"The classifier was trained on {len(seen)} of the {len(rows)} validation and test "
            f"images, first {seen[0].name}.",
            remedy="Give the split of the classifier's own run, or train it on this one.",
        )


def _scored(reader: Reader, rows: Cohort, progress: Progress | None) -> pl.DataFrame:
    """Return image, patient, label, split, and both scores, of what could be read."""
    firsts: list[float | None] = []
    seconds: list[float | None] = []
    for reading in reader.read_many(rows.paths()):
        firsts.append(reading.probability)
        seconds.append(reading.best_box)
        if progress is not None:
            progress(len(firsts), len(rows))
    return (
        rows.table.select("image", "label", "split")
        .with_columns(
            rows.patients(),
            pl.Series("classifier", firsts, dtype=pl.Float64),
            pl.Series("detector", seconds, dtype=pl.Float64),
        )
        .drop_nulls("classifier")
    )


def _points(
    card: Card, label: NDArray[np.int64], before: Floats, after: Floats
) -> tuple[CardOperatingPoint, ...]:
    """Choose thresholds by the rules of a card, or for what its own reach on these images."""
    mine = [point for point in card.operating_points if point.class_name in ("", "fracture")]
    chosen = []
    for rule, threshold in [(p.rule, p.threshold) for p in mine] or [("youden", 0.5)]:
        point = partial(choose_operating_point, label, after, chosen_on="valid")
        if rule == "sensitivity":
            reached = float((before[label == 1] >= threshold).mean())
            made = point(rule="sensitivity", target=max(reached, 1 / len(label)))
        elif rule == "specificity":
            reached = float((before[label == 0] < threshold).mean())
            made = point(rule="specificity", target=max(reached, 1 / len(label)))
        else:
            made = point(rule=_WITHOUT_TARGET.get(rule, "youden"))
        chosen.append(
            CardOperatingPoint(
                threshold=made.threshold, rule=made.rule, chosen_on="valid", n=len(label)
            )
        )
    return tuple(chosen)


def _write(output: Path, fused: Fused, classifier: Path, detector: Path) -> None:
    """Copy what reading needs of both; without its card, the last, a folder reads nothing."""
    for old in (CARD, FAMILIAR):
        (output / old).unlink(missing_ok=True)
    copy_network(detector, output / BOXES)
    copy_whole(detector / CARD, output / BOXES / CARD)
    copy_network(classifier, output)
    if (classifier / FAMILIAR).is_file():
        copy_whole(classifier / FAMILIAR, output / FAMILIAR)
    copy_region(classifier / REGION, output)
    fused.write(output)
    copy_whole(classifier / CARD, output / CARD)


def _tried(test: pl.DataFrame, fused: Fused) -> pl.DataFrame:
    """Return the test scores as a table that 'greenstick compare' takes, a row a model."""
    both = apply_fusion(fused.fusion, test["classifier"].to_numpy(), test["detector"].to_numpy())
    wide = test.with_columns(pl.Series("fused", both))
    return pl.concat(
        wide.select("image", "patient", "label", "split", score=name, model=pl.lit(name))
        for name in MODELS
    )
