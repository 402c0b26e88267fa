from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from greenstick.decision.operating_points import (
    OperatingPoint,
    choose_operating_point,
    decide,
    given_point,
)
from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.optimism import measure_optimism
from greenstick.evidence.rows import to_rows

Draw = Callable[..., pl.DataFrame]


def chosen(table: pl.DataFrame, **settings: object) -> OperatingPoint:
    return choose_operating_point(table["label"], table["score"], chosen_on="valid", **settings)


def test_a_leaked_threshold_is_never_worse_by_its_own_rule(scores_table: Draw) -> None:
    gains = []
    for seed in range(20):
        table, other = scores_table(80, seed=seed), scores_table(80, seed=100 + seed)
        rows, point = to_rows(table), chosen(other)
        found = measure_optimism(table, rows, decide(rows.scores, point), [point])
        by_name = {o.name: o for o in found}
        gains.append(by_name["balanced accuracy"].optimism)
        honest = {e.name: e.value for e in at_operating_point(rows, rows.scores >= point.threshold)}
        for o in found:
            assert o.nested == honest[o.name]
            assert o.optimism == pytest.approx(o.apparent - o.nested)
    assert min(gains) >= -1e-12  # Youden's rule maximizes balanced accuracy
    assert np.mean(gains) > 0.01


def test_each_fold_leaks_by_itself(scores_table: Draw) -> None:
    table = scores_table(200).with_columns(fold=pl.int_range(pl.len()) % 2)
    rows = to_rows(table)
    points = [
        chosen(scores_table(200, seed=9), fold=fold, rule="sensitivity", target=0.9)
        for fold in (0, 1)
    ]
    calls = decide(rows.scores, points[0])
    found = {o.name: o for o in measure_optimism(table, rows, calls, points)}
    leaked = np.zeros(200, dtype=bool)
    for fold in (0, 1):
        part = table.filter(fold=fold)
        mine = (table["fold"] == fold).to_numpy()
        leaked[mine] = decide(part["score"], chosen(part, rule="sensitivity", target=0.9))
    expected = {e.name: e.value for e in at_operating_point(rows, leaked)}
    assert {o.name: o.apparent for o in found.values()} == expected
    assert found["sensitivity"].apparent >= 0.9


def test_nothing_is_measured_where_nothing_was_chosen(scores_table: Draw) -> None:
    table = scores_table(60)
    rows = to_rows(table)
    calls = rows.scores >= 0.5
    assert measure_optimism(table, rows, calls, [given_point(0.5)]) == []
    assert measure_optimism(table, rows, calls, []) == []
    point = chosen(table)
    assert measure_optimism(table, rows, calls, [point, point]) == []
    one = table.filter(label=1)
    assert measure_optimism(one, to_rows(one), calls[: one.height], [point]) == []
