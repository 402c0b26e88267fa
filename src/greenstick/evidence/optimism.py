"""How much better figures would look, had the threshold been chosen on the judged rows."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from greenstick.decision.operating_points import OperatingPoint, choose_operating_point, decide
from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.estimates import Optimism
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


def _one_each(folds: list[Bools]) -> bool:
    return bool((np.sum(folds, axis=0) == 1).all())


def _one_class(labels: Bools) -> bool:
    return bool(labels.all() or not labels.any())
