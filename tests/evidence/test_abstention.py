from collections.abc import Callable

import numpy as np
import pytest

from greenstick.decision.conformal import fit_conformal
from greenstick.decision.triage import choose_triage
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


def _other(drawn_rows: Draw) -> tuple[object, object]:
    rows = drawn_rows(200, seed=9)
    return rows.labels, rows.scores
