"""The figures that need the bootstrap, all from the same samples of patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from greenstick.evidence.bootstrap import Resampled, Statistics, limits_of, resample
from greenstick.evidence.estimates import Curve, Estimate
from greenstick.evidence.intervals import bands
from greenstick.evidence.ranking import (
    GRID,
    precision_on_grid,
    rank,
    roc_on_grid,
    steps,
    weighted_auroc,
    weighted_average_precision,
    weighted_partial_auroc,
)
from greenstick.evidence.reliability import brier_losses, log_losses
from greenstick.evidence.rows import Floats, Ints, ScoredRows

#: Figures of which less is better.
LOSSES = ("Brier score", "log loss")


@dataclass(frozen=True, eq=False)
class Resampling:
    """Estimates and curves with limits by patient bootstrap."""

    discrimination: list[Estimate]
    calibration: list[Estimate]
    roc: Curve
    precision_recall: Curve


def resample_rows(
    rows: ScoredRows,
    *,
    replicates: int,
    seed: int,
    level: float = 0.95,
    specificities: tuple[float, float] | None = None,
) -> Resampling:
    """Return the AUROC, average precision, calibration figures and curves of rows.

    Rows of one class have no AUROC and empty curves; one patient alone gives no interval. The
    partial AUROC is added where its range of specificities is given.
    """
    statistics = statistics_of(rows, specificities)
    values = statistics(np.ones((1, rows.n_patients), dtype=np.int64))
    replicates = replicates if rows.n_patients > 1 else 0
    resampled = resample(
        statistics, patients=rows.n_patients, rows=len(rows), replicates=replicates, seed=seed
    )
    estimates = {
        name: _estimate(name, float(value[0]), resampled, rows, level)
        for name, value in values.items()
        if value.ndim == 1
    }
    losses = [estimates.pop(name) for name in LOSSES if name in estimates]
    return Resampling(
        discrimination=list(estimates.values()),
        calibration=losses,
        roc=_curve(values["roc"][0], resampled.replicates["roc"], level),
        precision_recall=_curve(
            values["precision_recall"][0], resampled.replicates["precision_recall"], level
        ),
    )


def statistics_of(
    rows: ScoredRows,
    specificities: tuple[float, float] | None = None,
    *,
    keep_patients: bool = False,
) -> Statistics:
    """Return a function from (b, patients) weights to every figure of these rows.

    Losses are left out where scores are no probabilities. See
    :func:`~greenstick.evidence.ranking.rank` for ``keep_patients``.
    """
    ranking = rank(rows, keep_patients=keep_patients)
    losses = _losses(rows)[ranking.order] if rows.probabilities else None

    def statistics(weights: Ints) -> Mapping[str, Floats]:
        by_row = ranking.row_weights(weights)
        curve = steps(ranking, by_row)
        named = {
            "AUROC": weighted_auroc(curve),
            "average precision": weighted_average_precision(curve),
            "roc": roc_on_grid(curve),
            "precision_recall": precision_on_grid(curve),
        }
        if specificities is not None:
            low, high = 1 - specificities[1], 1 - specificities[0]
            named[partial_name(specificities)] = weighted_partial_auroc(curve, low, high)
        return named if losses is None else named | _mean_losses(losses, by_row)

    return statistics


def _losses(rows: ScoredRows) -> Floats:
    return np.stack([brier_losses(rows), log_losses(rows)], axis=1)


def _mean_losses(losses: Floats, by_row: Ints) -> dict[str, Floats]:
    total = by_row.sum(axis=1)
    brier, log = (by_row.astype(np.float64) @ losses).T
    return dict(zip(LOSSES, (brier / total, log / total), strict=True))


def partial_name(specificities: tuple[float, float]) -> str:
    """Return what the partial AUROC of a range is called."""
    return f"partial AUROC (specificity {specificities[0]:.2f} to {specificities[1]:.2f})"


def _estimate(
    name: str, value: float, resampled: Resampled, rows: ScoredRows, level: float
) -> Estimate:
    limits = limits_of(name, value, resampled, rows.n_patients, level)
    return Estimate(
        name=name,
        value=value if np.isfinite(value) else None,
        lower=limits.lower,
        upper=limits.upper,
        level=level,
        method=limits.method,
        n_images=len(rows),
        n_patients=rows.n_patients,
    )


def _curve(values: Floats, replicates: Floats, level: float) -> Curve:
    if np.isnan(values).any():
        return Curve.empty()
    unknown = np.zeros_like(values), np.ones_like(values)
    lower, upper = bands(replicates, level) if len(replicates) else unknown
    return Curve(
        x=GRID.tolist(),
        y=values.tolist(),
        lower=lower.tolist(),
        upper=upper.tolist(),
        level=level,
    )
