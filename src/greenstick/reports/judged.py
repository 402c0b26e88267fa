"""The rows that the evidence is about, as the figures need them."""

from dataclasses import dataclass

import polars as pl

from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.evidence import Evidence
from greenstick.evidence.rows import to_rows

#: What may tell several fits of one run apart.
FIT = ("model", "repeat", "fold")


def judged_rows(scores: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Return the rows of a run's scores that its evidence is about.

    Those of the evidence's split and model, where the table tells them apart, that have a label
    and a score.
    """
    for column, value in (("split", evidence.rows), ("model", evidence.model)):
        if column in scores.columns:
            mine = (scores[column].cast(pl.String) == value).fill_null(False)
            scores = scores.filter(mine) if mine.any() else scores
    score = pl.col("score").cast(pl.Float64)
    return scores.filter(pl.col("label").is_not_null() & score.is_not_null() & score.is_finite())


@dataclass(frozen=True)
class Fit:
    """What one model and fold reached on its own rows."""

    keys: tuple[str, ...]
    images: int
    fractures: int
    auroc: Estimate


def kept_epoch(fit: pl.DataFrame) -> pl.DataFrame:
    """Return the row of a fit's history whose weights were kept; none where no AUROC is known.

    A history without the column ``kept`` is of a fit that kept the best.
    """
    known = fit.filter(pl.col("valid_auroc").is_finite())
    if "kept" in fit.columns:
        return known.filter("kept")
    return known.sort("valid_auroc", descending=True, maintain_order=True).head(1)


def fit_keys(table: pl.DataFrame) -> list[str]:
    """Return which of model, repeat and fold tell the fits of a table apart.

    The model's name is left out where repeat and fold say as much.
    """
    keys = [name for name in FIT if name in table.columns and table[name].n_unique() > 1]
    shorter = [name for name in keys if name != "model"]
    if shorter and table.select(shorter).n_unique() == table.select(keys).n_unique():
        return shorter
    return keys


def judge_fits(scores: pl.DataFrame, evidence: Evidence) -> list[Fit]:
    """Return the AUROC of each model and fold on the evidence's split; empty for only one."""
    rows = judged_rows(scores, evidence.model_copy(update={"model": ""}))
    keys = fit_keys(rows)
    if not keys:
        return []
    fits = []
    for names, part in rows.sort(keys).group_by(keys, maintain_order=True):
        judged = to_rows(part)
        fits.append(
            Fit(tuple(map(str, names)), len(judged), int(judged.labels.sum()), auroc(judged))
        )
    return fits
