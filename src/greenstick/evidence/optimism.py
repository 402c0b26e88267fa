"""How much better figures would look, had threshold and calibration been fitted on these rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from greenstick.decision.calibration import Calibration, fit_calibration
from greenstick.decision.operating_points import OperatingPoint, choose_operating_point, decide
from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.estimates import Optimism, ThresholdSpread
from greenstick.evidence.reliability import brier_losses, log_losses
from greenstick.evidence.rows import Bools, ScoredRows, rows_of


def measure_optimism(
    table: pl.DataFrame, rows: ScoredRows, calls: Bools, points: Sequence[OperatingPoint]
) -> list[Optimism]:
    """Return each figure as reported, and as it would be with thresholds chosen by leak.

    The same rule is applied to the judged rows themselves, fold by fold where each fold has a
    threshold of its own. The result is a warning, never a figure to report.

    Parameters
    ----------
    table, rows
        The judged rows.
    calls
        (n,) the honest calls.
    points
        The honest thresholds.

    Returns
    -------
    list of Optimism
        Empty where a threshold was given and not chosen, a row has no threshold of its own, or
        a fold holds only one class.
    """
    folds = [rows_of(table, point) for point in points]
    chosen = bool(points) and all(point.rule != "given" for point in points)
    if not chosen or not _one_each(folds) or any(_one_class(rows.labels[f]) for f in folds):
        return []
    leaked = calls.copy()
    for point, fold in zip(points, folds, strict=True):
        own = choose_operating_point(
            rows.labels[fold],
            rows.scores[fold],
            rule=point.rule,
            target=point.target,
            chosen_on="the judged rows",
        )
        leaked[fold] = decide(rows.scores[fold], own)
    honest, apparent = (at_operating_point(rows, c) for c in (calls, leaked))
    return [
        Optimism(name=h.name, nested=h.value, apparent=a.value, optimism=a.value - h.value)
        for h, a in zip(honest, apparent, strict=True)
        if h.value is not None and a.value is not None
    ]


def measure_calibration_optimism(
    table: pl.DataFrame,
    rows: ScoredRows,
    points: Sequence[OperatingPoint],
    calibrations: Sequence[Calibration],
) -> list[Optimism]:
    """Return the losses as reported, and as they would be with the calibration fitted by leak.

    Parameters
    ----------
    table, rows
        The judged rows, with ``logit``.
    points, calibrations
        One calibration for all rows, or one a fold in the order of the points.

    Returns
    -------
    list of Optimism
        ``Brier score`` and ``log loss``, less being better, so that optimism is negative. Empty
        without logits or calibrations, or where a fold holds only one class.
    """
    if "logit" not in table.columns or not calibrations or not rows.probabilities:
        return []
    logits = table["logit"].cast(pl.Float64).to_numpy()
    folds = folds_of(table, points, len(calibrations))
    unfit = any(_one_class(rows.labels[f]) for f in folds)
    if not _one_each(folds) or unfit or not np.isfinite(logits).all():
        return []
    scores = np.empty(len(rows))
    for calibration, fold in zip(calibrations, folds, strict=True):
        labels, method = rows.labels[fold], calibration.method
        own = fit_calibration(logits[fold], labels, method=method, fitted_on="the judged rows")
        scores[fold] = own.apply(logits[fold])
    leaked = replace(rows, scores=scores)
    losses = (("Brier score", brier_losses), ("log loss", log_losses))
    each = [(name, float(of(rows).mean()), float(of(leaked).mean())) for name, of in losses]
    return [
        Optimism(name=name, nested=honest, apparent=apparent, optimism=apparent - honest)
        for name, honest, apparent in each
    ]


def folds_of(table: pl.DataFrame, points: Sequence[OperatingPoint], n: int) -> list[Bools]:
    """Return which rows each of n calibrations is for: those of its point, or all of them."""
    if n == len(points):
        return [rows_of(table, point) for point in points]
    return [np.ones(table.height, dtype=np.bool_)] * n


def spread_of(points: Sequence[OperatingPoint]) -> ThresholdSpread | None:
    """Return how far several chosen thresholds lie apart; None for fewer than two."""
    thresholds = np.array([point.threshold for point in points if point.rule != "given"])
    if len(thresholds) < 2:
        return None
    return ThresholdSpread(
        n=len(thresholds),
        lowest=float(thresholds.min()),
        median=float(np.median(thresholds)),
        highest=float(thresholds.max()),
        sd=float(thresholds.std(ddof=1)),
    )


def _one_each(folds: list[Bools]) -> bool:
    return bool((np.sum(folds, axis=0) == 1).all())


def _one_class(labels: Bools) -> bool:
    return bool(labels.all() or not labels.any())
