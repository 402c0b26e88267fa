"""A detector that answers by itself: its best box's score becomes a probability of a fracture."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from greenstick.cohorts.cohort import Cohort
from greenstick.decision.calibration import fit_platt
from greenstick.decision.fusion import bounded_logits
from greenstick.decision.operating_points import Rule, choose_operating_point
from greenstick.errors import GreenstickError
from greenstick.models.card import CardOperatingPoint
from greenstick.models.detector_settings import DetectorAnswer

#: Fewer images with, or without, a fracture say too little of how probable one is.
FEWEST = 10
_RULE: Rule = "youden"


def fit_answer(
    labels: ArrayLike, best: ArrayLike, *, fitted_on: str, images: Sequence[object] | None = None
) -> DetectorAnswer:
    """Fit how a best box's score becomes a probability (Platt 1999), and choose the threshold.

    Parameters
    ----------
    labels
        (n,) 0 or 1.
    best
        (n,) scores of each image's best box; 0 where it has none.
    fitted_on, images
        Name of these images, e.g. ``"valid"``, and theirs. The detector must not be trained on
        them.

    Raises
    ------
    GreenstickError
        Where images with or without a fracture are too few, or the scores tell nothing of them.
    """
    label = np.asarray(labels, np.int64)
    with_one, without = int((label == 1).sum()), int((label == 0).sum())
    if min(with_one, without) < FEWEST:
        raise GreenstickError(
            f"Of the images of {fitted_on!r}, {with_one} show a fracture and {without} none: too "
            f"few to say how probable one is ({FEWEST} of each at least).",
            remedy="Give a cohort whose split 'valid' has both: greenstick detector calibrate.",
        )
    logits = bounded_logits(best)
    platt = fit_platt(logits, label, fitted_on=fitted_on, images=images)
    if platt.slope <= 0:
        raise GreenstickError(
            f"On the images of {fitted_on!r} its scores are no higher where there is a fracture.",
            remedy="Train the detector for longer, or with images without a fracture.",
        )
    point = choose_operating_point(label, platt.apply(logits), rule=_RULE, chosen_on=fitted_on)
    return DetectorAnswer(
        slope=platt.slope,
        intercept=platt.intercept,
        fitted_on=fitted_on,
        n=len(label),
        n_positive=with_one,
        operating_points=(
            CardOperatingPoint(
                threshold=point.threshold, rule=point.rule, chosen_on=fitted_on, n=point.n
            ),
        ),
    )


def answer_on(cohort: Cohort, found: pl.DataFrame, *, fitted_on: str) -> DetectorAnswer:
    """Fit an answer on the images of known label of a cohort, from the boxes found on them.

    Raises
    ------
    GreenstickError
        As :func:`fit_answer`.
    """
    best = found.group_by("image").agg(best=pl.col("score").max())
    rows = (
        cohort.table.filter(pl.col("label").is_not_null())
        .select("image", "label")
        .join(best, on="image", how="left")
        .with_columns(pl.col("best").fill_null(0.0))
    )
    return fit_answer(
        rows["label"].to_numpy(),
        rows["best"].to_numpy(),
        fitted_on=fitted_on,
        images=rows["image"].to_list(),
    )
