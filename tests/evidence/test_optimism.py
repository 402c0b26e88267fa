from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss

from greenstick.decision.calibration import fit_temperature
from greenstick.decision.nested import fit_inside
from greenstick.decision.operating_points import (
    OperatingPoint,
    choose_operating_point,
    decide,
    given_point,
)
from greenstick.errors import GreenstickError
from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.evidence import evaluate
from greenstick.evidence.optimism import measure_optimism, spread_of
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


def test_the_spread_is_that_of_the_chosen_thresholds() -> None:
    points = [
        OperatingPoint(threshold=t, rule="youden", chosen_on=f"inside fold {f}", n=9, fold=f)
        for f, t in enumerate((0.3, 0.6, 0.4))
    ]
    found = spread_of(points)
    assert found is not None
    values = (found.n, found.lowest, found.median, found.highest, found.sd)
    assert values == pytest.approx((3, 0.3, 0.4, 0.6, np.std([0.3, 0.6, 0.4], ddof=1)))
    assert spread_of(points[:1]) is None
    assert spread_of([given_point(0.4), given_point(0.5)]) is None


def nested(draw: Draw) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Draw the test rows of three folds, and the inner rows of each."""
    test = pl.concat([draw(60, seed=f).with_columns(fold=pl.lit(f)) for f in range(3)])
    test = test.with_columns(image=pl.format("{}-{}", "fold", "image"), patient=pl.lit(None))
    inner = [
        draw(200, seed=50 + f).with_columns(
            image=pl.format("inner-{}-{}", pl.lit(f), "image"), inner_fold=pl.int_range(200) % 4
        )
        for f in range(3)
    ]
    return test, inner


def test_nested_choices_are_honest_and_their_spread_and_optimism_shown(scores_table: Draw) -> None:
    test, inner = nested(scores_table)
    fitted = [fit_inside(rows, rule="youden", fold=f) for f, rows in enumerate(inner)]
    temperatures, points = ([pair[i] for pair in fitted] for i in (0, 1))
    parts = [
        part.with_columns(score=pl.Series(temperatures[f].apply(part["logit"])))
        for f, part in enumerate(test.partition_by("fold", maintain_order=True))
    ]
    table = pl.concat(parts)
    found = evaluate(table, point=points, calibration=temperatures, rows="test", replicates=20)
    assert not found.untrue
    assert found.calibrators == temperatures
    assert found.calibrator is None
    assert found.threshold_spread == spread_of(points)
    optimism = {o.name: o for o in found.optimism}
    assert {"sensitivity", "MCC", "Brier score", "log loss"} <= set(optimism)
    assert optimism["log loss"].nested == pytest.approx(log_loss(table["label"], table["score"]))
    own = [
        fit_temperature(p["logit"], p["label"], fitted_on="leak").apply(p["logit"]) for p in parts
    ]
    apparent = log_loss(table["label"], np.concatenate(own))
    assert optimism["log loss"].apparent == pytest.approx(apparent)
    assert optimism["log loss"].optimism <= 0


def test_a_fold_calibrated_on_its_own_rows_is_found(scores_table: Draw) -> None:
    test, inner = nested(scores_table)
    points = [fit_inside(rows, fold=f)[1] for f, rows in enumerate(inner)]
    folds = test.partition_by("fold", maintain_order=True)
    tuned = [fit_temperature(p["logit"], p["label"], fitted_on="inside") for p in folds]
    settings = {"point": points, "rows": "test", "replicates": 20}
    assert evaluate(test, calibration=tuned, **settings).untrue
    crossed = [tuned[(f + 1) % 3] for f in range(3)]
    assert not evaluate(test, calibration=crossed, **settings).untrue
    with pytest.raises(GreenstickError, match="2 calibrations for 3 operating points"):
        evaluate(test, calibration=tuned[:2], **settings)
