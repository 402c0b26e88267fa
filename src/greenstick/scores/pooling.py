"""From scores by image to scores by patient."""

from typing import Literal

import polars as pl

from greenstick.errors import GreenstickError
from greenstick.scores.checks import refuse_copies
from greenstick.scores.columns import need_columns, patients_of

Pooling = Literal["max", "mean", "noisy-or"]


def pool_by_patient(table: pl.DataFrame, how: Pooling = "max") -> pl.DataFrame:
    """Return one row a patient (and model and repeat): fractured where any image is.

    A patient with an unscored image has no score: an unread image is not a negative one. Nor
    has one a label of whose images none is fractured and some are unlabeled.

    Parameters
    ----------
    table
        Scores by image. Further columns are kept where they agree within the patient, else null;
        ``decision`` is kept by ``max`` only (a call for any image is one for the patient).
    how
        ``max`` or ``mean`` of the scores, or ``noisy-or``: the chance that at least one image is
        truly fractured if their errors were independent, 1 - prod(1 - score).

    Raises
    ------
    GreenstickError
        Where an image is listed twice, or ``noisy-or`` meets scores outside [0, 1].
    """
    need_columns(table, "label", "score")
    refuse_copies(table)
    given = table["score"].cast(pl.Float64).fill_nan(None).drop_nulls()
    if how == "noisy-or" and not given.is_between(0, 1).all():
        raise GreenstickError(
            "Noisy-or needs probabilities.", remedy="Calibrate the scores, or pool by max or mean."
        )
    score, label = pl.col("score").cast(pl.Float64), pl.col("label").cast(pl.Int8)
    pooled = {
        "max": score.max(),
        "mean": score.mean(),
        "noisy-or": 1 - (1 - score).product(),
    }[how]
    by = ["patient", *(name for name in ("model", "repeat") if name in table.columns)]
    left_out = {*by, "image", "label", "score", "raw_score", "logit", "decision"}
    others = [pl.col(name) for name in table.columns if name not in left_out]
    calls = [pl.col("decision").any()] if how == "max" and "decision" in table.columns else []
    return (
        table.with_columns(patients_of(table))
        .group_by(by, maintain_order=True)
        .agg(
            pl.when((label.null_count() == 0) | (label.max() == 1))
            .then(label.max())
            .alias("label"),
            pl.when(score.is_finite().fill_null(False).all()).then(pooled).alias("score"),
            *calls,
            pl.len().alias("n_images"),
            *(pl.when(c.n_unique() == 1).then(c.first()).name.keep() for c in others),
        )
    )
