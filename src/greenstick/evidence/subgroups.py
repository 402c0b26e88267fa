"""The main figures within each value of a column."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from greenstick.evidence.at_point import proportion
from greenstick.evidence.checks import FEW_PATIENTS
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate, Subgroup
from greenstick.evidence.rows import Bools, ScoredRows, count
from greenstick.scores import need_columns


def judge_subgroups(
    table: pl.DataFrame,
    rows: ScoredRows,
    calls: Bools | None,
    columns: Sequence[str],
    level: float = 0.95,
) -> list[Subgroup]:
    """Return AUROC, sensitivity and specificity within each value of each column.

    Rows whose value is null belong to no subgroup of that column.
    """
    need_columns(table, *columns)
    found = []
    for column in columns:
        values = table[column].fill_nan(None) if table[column].dtype.is_float() else table[column]
        for value in values.drop_nulls().unique().sort():
            inside = (values == value).fill_null(False).to_numpy()
            found.append(_judge(rows, calls, inside, column, value, level))
    return found


def _judge(
    rows: ScoredRows, calls: Bools | None, inside: Bools, column: str, value: object, level: float
) -> Subgroup:
    part = rows.take(inside)
    with_fracture = count(part.patients[part.labels])
    without = count(part.patients[~part.labels])
    return Subgroup(
        column=column,
        value=str(value),
        n_images=count(part.images),
        n_patients=part.n_patients,
        n_positive=count(part.images[part.labels]),
        estimates=_estimates(part, None if calls is None else calls[inside], level),
        too_small=min(with_fracture, without) < FEW_PATIENTS,
    )


def _estimates(part: ScoredRows, calls: Bools | None, level: float) -> list[Estimate]:
    found = [auroc(part, level)]
    if calls is not None:
        y = np.asarray(part.labels)
        found.append(proportion("sensitivity", part, calls, among=y, level=level))
        found.append(proportion("specificity", part, ~calls, among=~y, level=level))
    return found
