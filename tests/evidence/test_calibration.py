from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression

from greenstick.evidence.calibration import (
    expected_error,
    greatest_error,
    intercept,
    judge_calibration,
    slope,
    spiegelhalter,
)
from greenstick.evidence.reliability import equal_mass, equal_width
from greenstick.evidence.rows import ScoredRows

Draw = Callable[..., ScoredRows]


def rows(labels: object, scores: object, patients: object = None) -> ScoredRows:
    label = np.asarray(labels, dtype=bool)
    whose = np.arange(len(label)) if patients is None else np.asarray(patients)
    return ScoredRows(label, np.asarray(scores, dtype=float), whose, np.arange(len(label)))


def ece_by_hand(judged: ScoredRows) -> float:
    total = 0.0
    for k in range(10):
        inside = (judged.scores >= k / 10) & ((judged.scores < (k + 1) / 10) | (k == 9))
        total += abs((judged.scores - judged.labels)[inside].sum())
    return total / len(judged)


@pytest.mark.parametrize("images_per_patient", [1, 3])
def test_the_plain_ece_is_the_one_everybody_computes(
    drawn_rows: Draw, images_per_patient: int
) -> None:
    judged = drawn_rows(240, images_per_patient=images_per_patient)
    plain, debiased = expected_error(judged, equal_width(judged.scores))
    assert plain.value == pytest.approx(ece_by_hand(judged))
    assert plain.lower <= debiased.value <= plain.value <= plain.upper
    assert debiased.lower <= debiased.value <= debiased.upper


def calibrated(n: int, seed: int, too_sure: float) -> ScoredRows:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, n)
    return rows(generator.random(n) < expit(logits), expit(too_sure * logits))


def test_noise_alone_is_no_expected_error() -> None:
    debiased, held = [], 0
    for seed in range(40):
        judged = calibrated(200, seed, 1.0)
        plain, without_bias = expected_error(judged, equal_width(judged.scores), seed=seed)
        assert plain.value > 0.02  # what a naive reader would believe
        debiased.append(without_bias.value)
        held += plain.lower == 0
    assert np.median(debiased) < 0.02
    assert held >= 34


def test_the_interval_holds_a_true_expected_error() -> None:
    truth = calibrated(1_000_000, 0, 2.0)
    true = expected_error(truth, equal_width(truth.scores))[0].value
    held = 0
    for seed in range(60):
        judged = calibrated(300, seed, 2.0)
        found = expected_error(judged, equal_width(judged.scores), seed=seed)[1]
        held += found.lower <= true <= found.upper
    assert held >= 54


def test_copies_of_images_do_not_narrow_the_interval(drawn_rows: Draw) -> None:
    once = drawn_rows(150)
    copies = rows(np.tile(once.labels, 4), np.tile(once.scores, 4), np.tile(np.arange(150), 4))
    a, b = (expected_error(r, equal_width(r.scores))[1] for r in (once, copies))
    assert (b.value, b.lower, b.upper) == pytest.approx((a.value, a.lower, a.upper), abs=1e-4)


def test_scores_that_are_the_outcome_have_no_error() -> None:
    judged = rows([0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0])
    for found in expected_error(judged, equal_width(judged.scores)):
        assert (found.value, found.lower, found.upper) == (0, 0, 0)


def test_the_worst_bin_is_the_worst_bin(drawn_rows: Draw) -> None:
    judged = drawn_rows(400)
    binning = equal_width(judged.scores)
    gaps = [
        abs((judged.scores - judged.labels)[binning.of_row == k].mean())
        for k in np.unique(binning.of_row)
    ]
    plain, debiased = greatest_error(judged, binning)
    assert plain.value == pytest.approx(max(gaps))
    assert debiased.lower <= debiased.value <= plain.value


def test_bins_of_equal_mass_see_the_same_truth() -> None:
    judged = calibrated(20_000, 1, 2.0)
    wide = expected_error(judged, equal_width(judged.scores))[1]
    mass = expected_error(judged, equal_mass(judged.scores), name="mass")[1]
    assert mass.name == "mass, debiased"
    assert mass.value == pytest.approx(wide.value, rel=0.2)


@pytest.mark.parametrize("images_per_patient", [1, 4])
def test_slope_and_intercept_agree_with_logistic_regression(
    drawn_rows: Draw, images_per_patient: int
) -> None:
    judged = drawn_rows(400, images_per_patient=images_per_patient)
    x = logit(judged.scores)[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10)
    found = slope(judged)
    assert found.value == pytest.approx(model.fit(x, judged.labels).coef_[0, 0], rel=1e-4)
    k = judged.n_patients
    left_out = np.array(
        [slope(judged.take(judged.patients != i)).value for i in range(k)], dtype=float
    )
    se = np.sqrt((k - 1) / k * ((left_out - left_out.mean()) ** 2).sum())
    assert (found.upper - found.lower) / (2 * 1.96) == pytest.approx(se, rel=0.06)


def test_the_intercept_mends_the_mean(drawn_rows: Draw) -> None:
    judged = drawn_rows(400)
    shift = intercept(judged).value
    assert expit(logit(judged.scores) + shift).mean() == pytest.approx(judged.labels.mean())


def test_too_sure_scores_have_a_slope_below_one() -> None:
    found = slope(calibrated(4000, 0, 2.0))
    assert found.lower < 0.5 < found.upper
    right = calibrated(4000, 0, 1.0)
    assert slope(right).lower < 1 < slope(right).upper
    assert intercept(right).lower < 0 < intercept(right).upper


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        ([1, 1, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        ([0, 1, 0, 1], [0.3] * 4),
    ],
)
def test_no_slope_where_there_is_none(labels: list[int], scores: list[float]) -> None:
    found = slope(rows(labels, scores))
    assert found.value is None
    assert "not estimable" in found.method


def test_scores_of_exactly_0_and_1_have_a_slope() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(200) < 0.5
    scores = np.where(generator.random(200) < 0.8, labels, ~labels).astype(float)
    assert 0 < slope(rows(labels, scores)).value < 0.1


@pytest.mark.parametrize("images_per_patient", [1, 5])
def test_the_test_of_calibration_keeps_its_level(images_per_patient: int) -> None:
    p_values = []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        patients = np.arange(300) // images_per_patient
        logits = generator.normal(0, 1.5, 300)
        shared = generator.random(300)[patients]  # images of a patient break together
        p_values.append(
            spiegelhalter(rows(shared < expit(logits), expit(logits), patients)).p_value
        )
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) < 0.05) < 0.1


def test_the_test_of_calibration_finds_too_sure_scores() -> None:
    found = spiegelhalter(calibrated(1000, 0, 2.0))
    assert found.p_value < 1e-6
    assert found.statistic > 5
    certain = spiegelhalter(rows([0, 1], [0.0, 1.0]))
    assert (certain.statistic, certain.p_value) == (None, None)


def test_everything_on_calibration_is_judged_at_once(drawn_rows: Draw) -> None:
    found = judge_calibration(drawn_rows(200))
    assert [e.name for e in found.estimates][-2:] == ["calibration slope", "calibration intercept"]
    assert found.parts.bins == 10
    assert found.tests[0].name == "Spiegelhalter's test"
