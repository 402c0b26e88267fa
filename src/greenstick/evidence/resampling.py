"""The figures that need the bootstrap, all from the same samples of patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from greenstick.evidence.bootstrap import Resampled, Statistics, resample
from greenstick.evidence.estimates import Curve, Estimate
from greenstick.evidence.intervals import bca, percentile
from greenstick.evidence.ranking import (
    GRID,
    cumulate,
    precision_on_grid,
    rank,
    roc_on_grid,
    weighted_auroc,
    weighted_average_precision,
)
from greenstick.evidence.reliability import brier_losses, ece, equal_width, log_losses
from greenstick.evidence.rows import Floats, ScoredRows


@dataclass(frozen=True, eq=False)
class Resampling:
    """Estimates and curves with limits by patient bootstrap."""

    discrimination: list[Estimate]
    calibration: list[Estimate]
    roc: Curve
    precision_recall: Curve


def resample_rows(
    rows: ScoredRows, *, replicates: int, seed: int, level: float = 0.95
) -> Resampling:
    """Return the AUROC, average precision, calibration figures and curves of rows.

    Rows of one class have no AUROC and empty curves.
    """
    statistics = statistics_of(rows)
    values = statistics(np.ones((1, rows.n_patients)))
    resampled = resample(
        statistics, patients=rows.n_patients, rows=len(rows), replicates=replicates, seed=seed
    )
    estimates = {
        name: _estimate(name, float(value[0]), resampled, rows, level)
        for name, value in values.items()
        if value.ndim == 1
    }
    ranked = [e for name, e in estimates.items() if name in ("AUROC", "average precision")]
    return Resampling(
        discrimination=ranked,
        calibration=[e for e in estimates.values() if e not in ranked],
        roc=_curve(values["roc"][0], resampled.replicates["roc"], level),
        precision_recall=_curve(
            values["precision_recall"][0], resampled.replicates["precision_recall"], level
        ),
    )


def statistics_of(rows: ScoredRows) -> Statistics:
    """Return a function from (b, patients) weights to every figure of these rows.

    Calibration is left out where scores are no probabilities.
    """
    ranking, patients = rank(rows)
    renumbered = ScoredRows(rows.labels, rows.scores, patients, rows.images)
    sums = _calibration_sums(renumbered) if rows.probabilities else None

    def statistics(weights: Floats) -> Mapping[str, Floats]:
        cumulated = cumulate(ranking, weights)
        named = {
            "AUROC": weighted_auroc(cumulated),
            "average precision": weighted_average_precision(cumulated),
            "roc": roc_on_grid(cumulated),
            "precision_recall": precision_on_grid(cumulated),
        }
        return named if sums is None else named | _calibration_figures(weights @ sums)

    return statistics


def _calibration_sums(rows: ScoredRows) -> Floats:
    """Return (patients, 2 + 3 bins) sums of losses and of what reliability bins need."""
    binning = equal_width(rows.scores)
    columns = [rows.per_patient(brier_losses(rows)), rows.per_patient(log_losses(rows))]
    for values in (np.ones(len(rows)), rows.scores, rows.labels):
        columns += [
            rows.per_patient(values * (binning.of_row == number)) for number in range(binning.n)
        ]
    return np.stack(columns, axis=1)


def _calibration_figures(sums: Floats) -> dict[str, Floats]:
    n, scores, positives = np.split(sums[:, 2:], 3, axis=1)
    total = n.sum(axis=1)
    return {
        "Brier score": sums[:, 0] / total,
        "log loss": sums[:, 1] / total,
        "ECE": ece(n, scores, positives),
    }


def _estimate(
    name: str, value: float, resampled: Resampled, rows: ScoredRows, level: float
) -> Estimate:
    replicates = resampled.replicates[name]
    failed = int(np.isnan(replicates).sum())
    known = np.isfinite(value) and failed < len(replicates)
    lower, upper = (
        bca(value, replicates, resampled.left_out[name], level) if known else (None, None)
    )
    method = f"bootstrap by patient, BCa (Efron 1987), {len(replicates) - failed} replicates"
    return Estimate(
        name=name,
        value=value if np.isfinite(value) else None,
        lower=lower,
        upper=upper,
        level=level,
        method=method if known else "not estimable: only one class",
        n_images=len(rows),
        n_patients=rows.n_patients,
    )


def _curve(values: Floats, replicates: Floats, level: float) -> Curve:
    if np.isnan(values).any():
        return Curve.empty()
    limits = [percentile(column, level) for column in replicates.T]
    return Curve(
        x=GRID.tolist(),
        y=values.tolist(),
        lower=[low for low, _ in limits],
        upper=[high for _, high in limits],
        level=level,
    )
