"""Several kinds of finding: each class against the rest, and all of them together."""

import numpy as np
import polars as pl

from greenstick.errors import GreenstickError
from greenstick.evidence.discrimination import Placements, auroc, placements
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.intervals import clustered_wilson, logit_interval, t_of, z_of
from greenstick.evidence.rows import Bools, Floats, ScoredRows, numbered
from greenstick.scores import need_columns, patients_of

PREFIX = "score_"


def one_against_rest(table: pl.DataFrame, level: float = 0.95) -> list[Estimate]:
    """Judge the scores of several classes.

    Parameters
    ----------
    table
        ``label``, the name of each image's class; ``score_<class>`` for each class, higher means
        that class; optionally ``image`` and ``patient``.
    level
        Nominal coverage.

    Returns
    -------
    list of Estimate
        ``AUROC <class>`` of each class against the rest, ``AUROC macro`` (their mean), ``AUROC
        weighted`` (their mean by how common each is) and ``accuracy`` of the highest score.

    Raises
    ------
    GreenstickError
        Where there are fewer than two classes, a class has no scores or no images, or a value is
        missing.
    """
    classes = _classes(table)
    patients = numbered(patients_of(table))
    label = table["label"].cast(pl.String).to_numpy()
    scores = table.select(pl.col(PREFIX + name).cast(pl.Float64) for name in classes).to_numpy()
    images = np.arange(len(label))
    rows = [
        ScoredRows(label == name, column, patients, images)
        for name, column in zip(classes, scores.T, strict=True)
    ]
    each = [
        auroc(r, level).model_copy(update={"name": f"AUROC {name}"})
        for name, r in zip(classes, rows, strict=True)
    ]
    right = np.array(classes)[scores.argmax(axis=1)] == label
    return [*each, *_together(rows, level), _accuracy(rows[0], right, level)]


def _classes(table: pl.DataFrame) -> list[str]:
    need_columns(table, "label")
    named = [c.removeprefix(PREFIX) for c in table.columns if c.startswith(PREFIX)]
    found = set(table["label"].drop_nulls().cast(pl.String).unique())
    if len(named) < 2 or found != set(named):
        raise GreenstickError(
            f"Labels are {', '.join(sorted(found)) or 'missing'}, and there are scores for "
            f"{', '.join(named) or 'none'}.",
            remedy="Give each class a column score_<class>, and at least one image.",
        )
    values = table.select("label", *(PREFIX + name for name in named))
    if sum(values.null_count().row(0)) or not _finite(values.drop("label")):
        raise GreenstickError(
            "A label or score is missing.", remedy="Leave the row out, and say so."
        )
    return named


def _finite(scores: pl.DataFrame) -> bool:
    return bool(np.isfinite(scores.cast(pl.Float64).to_numpy()).all())


def _together(rows: list[ScoredRows], level: float) -> list[Estimate]:
    """Return macro and weighted AUROC; their variance is that of the patients' influence."""
    placed = [placements(r.labels, r.scores) for r in rows]
    areas = np.array([p.auroc for p in placed])
    shares = np.array([r.labels.mean() for r in rows])
    influence = np.stack([_influence(r, p) for r, p in zip(rows, placed, strict=True)])
    counted = np.stack([r.per_patient(r.labels - r.labels.mean()) for r in rows]) / len(rows[0])
    macro = influence.mean(axis=0)
    weighted = shares @ influence + areas @ counted  # the shares are estimates too
    return [
        _mean("AUROC macro", float(areas.mean()), macro, rows[0], level),
        _mean("AUROC weighted", float(shares @ areas), weighted, rows[0], level),
    ]


def _influence(rows: ScoredRows, placed: Placements) -> Floats:
    size = np.where(rows.labels, rows.labels.sum(), (~rows.labels).sum())
    return rows.per_patient((placed.values - placed.auroc) / size)


def _mean(name: str, value: float, influence: Floats, rows: ScoredRows, level: float) -> Estimate:
    m = rows.n_patients
    variance = float((influence**2).sum()) * m / (m - 1) if m > 1 else 0.0
    quantile = t_of(level, m) if rows.clustered else z_of(level)
    known = variance > 1e-18 and 0 < value < 1
    lower, upper = logit_interval(value, variance, quantile) if known else (None, None)
    return Estimate(
        name=name,
        value=value,
        lower=lower,
        upper=upper,
        level=level,
        method="influence by patient, logit scale" if known else "none: no spread",
        n_images=len(rows),
        n_patients=m,
    )


def _accuracy(rows: ScoredRows, right: Bools, level: float) -> Estimate:
    every = np.ones(len(rows), dtype=np.bool_)
    interval = clustered_wilson(rows.per_patient(right), rows.per_patient(every), level)
    return Estimate(
        name="accuracy",
        value=float(right.mean()),
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        method=interval.method,
        n_images=len(rows),
        n_patients=rows.n_patients,
    )
