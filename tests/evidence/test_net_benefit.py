from collections.abc import Callable

import numpy as np
import pytest

from greenstick.evidence.net_benefit import decision_curve
from greenstick.evidence.rows import ScoredRows

Draw = Callable[..., ScoredRows]


def test_net_benefit_is_the_published_formula(drawn_rows: Draw) -> None:
    rows = drawn_rows(300)
    curve = decision_curve(rows)
    for t, found in zip(curve.thresholds, curve.model, strict=True):
        called = rows.scores >= t
        tp, fp = (called & rows.labels).mean(), (called & ~rows.labels).mean()
        assert found == pytest.approx(tp - fp * t / (1 - t))


def test_acting_on_all_is_the_models_benefit_where_it_calls_all() -> None:
    labels = np.arange(50) % 4 == 0
    rows = ScoredRows(labels, np.full(50, 0.7), np.arange(50), np.arange(50))
    curve = decision_curve(rows)
    assert curve.model == pytest.approx(curve.treat_all)
    nobody = decision_curve(ScoredRows(labels, np.zeros(50), np.arange(50), np.arange(50)))
    assert set(nobody.model) == {0.0}


@pytest.mark.parametrize("images_per_patient", [1, 3])
def test_limits_agree_with_the_jackknife_by_patient(
    drawn_rows: Draw, images_per_patient: int
) -> None:
    rows = drawn_rows(240, images_per_patient=images_per_patient)
    curve = decision_curve(rows)
    k = rows.n_patients
    left_out = np.array([decision_curve(rows.take(rows.patients != i)).model for i in range(k)])
    se = np.sqrt((k - 1) / k * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    half = (np.array(curve.upper) - np.array(curve.lower)) / 2
    np.testing.assert_allclose(half / 1.96, se, rtol=0.04)


def test_one_patient_has_no_limits() -> None:
    rows = ScoredRows(np.array([True, False]), np.array([0.9, 0.1]), np.zeros(2, int), np.arange(2))
    curve = decision_curve(rows)
    assert curve.lower == []
    assert curve.model[-1] == 0.5
