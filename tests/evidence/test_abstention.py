from collections.abc import Callable

import numpy as np
import pytest

from greenstick.decision.conformal import fit_conformal
from greenstick.decision.triage import choose_triage
from greenstick.errors import GreenstickError
from greenstick.evidence.abstention import Abstention, judge_conformal, judge_triage
from greenstick.evidence.intervals import wilson
from greenstick.evidence.rows import ScoredRows
from greenstick.findings import Severity

Draw = Callable[..., ScoredRows]


def values(found: Abstention) -> dict[str, float | None]:
    return {e.name: e.value for e in found.estimates}


def test_triage_is_counted_by_answer() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 0], dtype=bool)
    scores = np.array([0.1, 0.2, 0.5, 0.1, 0.5, 0.8, 0.9, 0.9])
    rows = ScoredRows(labels, scores, np.arange(8), np.arange(8))
    thresholds = choose_triage(
        [0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], sensitivity=1, specificity=1, chosen_on="valid"
    )
    assert (thresholds.doubt_from, thresholds.fracture_from) == pytest.approx((0.3, 0.7))
    found = judge_triage(rows, thresholds, name="test")
    assert values(found) == {
        "doubt rate": 2 / 8,
        "sensitivity": 3 / 4,
        "specificity": 3 / 4,
        "fractures called": 2 / 4,
        "normals called": 2 / 4,
        "PPV": 2 / 3,
        "NPV": 2 / 3,
    }
    assert found.estimates[0].upper == wilson(2, 8).upper
    assert found.findings[0].severity is Severity.PASSED


def test_a_conformal_promise_is_measured(drawn_rows: Draw) -> None:
    fitted, rows = drawn_rows(600, seed=1), drawn_rows(600, seed=2)
    conformal = fit_conformal(fitted.labels, fitted.scores, error=0.1, fitted_on="valid")
    found = judge_conformal(rows, conformal, name="test")
    got = values(found)
    assert got["one answer"] + got["both possible"] + got["neither possible"] == pytest.approx(1)
    for e in found.estimates[1:3]:
        assert e.lower < 0.1 < e.upper + 0.02
    assert [f.severity for f in found.findings] == [Severity.PASSED, Severity.PASSED]


def test_a_broken_promise_is_told(drawn_rows: Draw) -> None:
    fitted = drawn_rows(600, seed=1)
    conformal = fit_conformal(fitted.labels, fitted.scores, error=0.1, fitted_on="valid")
    worse = drawn_rows(600, seed=2, shift=0.0)
    found = judge_conformal(worse, conformal, name="test")
    assert found.findings[1].severity is Severity.WARNING
    assert "with fracture" in found.findings[1].message


def test_limits_chosen_on_the_judged_rows_are_an_error(drawn_rows: Draw) -> None:
    rows = drawn_rows(200)
    own = choose_triage(rows.labels, rows.scores, chosen_on="valid")
    assert judge_triage(rows, own, name="test").findings[0].severity is Severity.ERROR
    named = fit_conformal(*_other(drawn_rows), fitted_on="test")
    assert judge_conformal(rows, named, name="test").findings[0].severity is Severity.ERROR


def test_each_fold_is_judged_by_its_own_limits(drawn_rows: Draw) -> None:
    rows = drawn_rows(400)
    first = np.arange(400) < 150
    folds = [first, ~first]
    fitted = [drawn_rows(200, seed=seed) for seed in (8, 9)]
    triages = [choose_triage(f.labels, f.scores, chosen_on=f"v{i}") for i, f in enumerate(fitted)]
    found = judge_triage(rows, triages, name="test", folds=folds)
    parts = [
        values(judge_triage(rows.take(fold), one, name="test"))
        for one, fold in zip(triages, folds, strict=True)
    ]
    pooled = (150 * parts[0]["doubt rate"] + 250 * parts[1]["doubt rate"]) / 400
    assert values(found)["doubt rate"] == pytest.approx(pooled)
    assert found.findings[0].message == "Limits: v0, v1."
    sets = [fit_conformal(f.labels, f.scores, fitted_on="v") for f in fitted]
    errors = [
        values(judge_conformal(rows.take(fold), one, name="test"))["error"]
        for one, fold in zip(sets, folds, strict=True)
    ]
    judged = judge_conformal(rows, sets, name="test", folds=folds)
    assert values(judged)["error"] == pytest.approx((150 * errors[0] + 250 * errors[1]) / 400)


def test_a_fold_whose_limits_were_chosen_on_it_is_found_out(drawn_rows: Draw) -> None:
    rows = drawn_rows(400)
    first = np.arange(400) < 200
    leaked = choose_triage(rows.labels[first], rows.scores[first], chosen_on="valid")
    honest = choose_triage(*_other(drawn_rows), chosen_on="valid")
    found = judge_triage(rows, [leaked, honest], name="test", folds=[first, ~first])
    assert found.findings[0].severity is Severity.ERROR
    swapped = judge_triage(rows, [honest, leaked], name="test", folds=[first, ~first])
    assert swapped.findings[0].severity is Severity.PASSED


def test_folds_that_leave_rows_out_are_refused(drawn_rows: Draw) -> None:
    rows, one = drawn_rows(200), choose_triage(*_other(drawn_rows), chosen_on="valid")
    first = np.arange(200) < 100
    for folds in ([first, first], [first], ()):
        with pytest.raises(GreenstickError, match="no limits of their own"):
            judge_triage(rows, [one, one], name="test", folds=folds)


def _other(drawn_rows: Draw) -> tuple[object, object]:
    rows = drawn_rows(200, seed=9)
    return rows.labels, rows.scores
