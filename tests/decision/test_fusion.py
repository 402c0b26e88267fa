import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from greenstick.decision.fusion import apply_fusion, fit_fusion
from greenstick.errors import GreenstickError


def draw(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(-1, 1.5, n), rng.normal(-2, 2, n)
    labels = rng.random(n) < expit(0.8 * first + 0.5 * second + 0.6)
    return labels.astype(int), expit(first), expit(second)


def log_loss(labels: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p)))


def test_it_is_logistic_regression_on_logits() -> None:
    labels, first, second = draw()
    fusion = fit_fusion(labels, first, second, fitted_on="valid")
    logits = np.log(np.stack([first, second], 1) / (1 - np.stack([first, second], 1)))
    theirs = LogisticRegression(C=1 / 0.02, tol=1e-8).fit(logits, labels)
    assert fusion.weights == pytest.approx(theirs.coef_[0], rel=1e-3)
    assert fusion.intercept == pytest.approx(theirs.intercept_[0], rel=1e-2)
    expected = theirs.predict_proba(logits)[:, 1]
    np.testing.assert_allclose(apply_fusion(fusion, first, second), expected, atol=1e-3)
    assert (fusion.fitted_on, fusion.n) == ("valid", 4000)


def test_two_scores_say_more_than_one_on_other_images() -> None:
    fusion = fit_fusion(*draw(seed=1), fitted_on="valid")
    labels, first, second = draw(seed=2)
    both = log_loss(labels, apply_fusion(fusion, first, second))
    assert both < min(log_loss(labels, first), log_loss(labels, second)) - 0.02


def test_a_score_that_says_the_opposite_gets_no_weight() -> None:
    labels, first, second = draw()
    fusion = fit_fusion(labels, first, 1 - second, fitted_on="valid")
    assert fusion.weights[1] == 0.0
    assert fusion.weights[0] > 0


def test_separable_scores_stay_finite() -> None:
    labels = np.array([0, 0, 1, 1])
    fusion = fit_fusion(labels, [0.0, 0.1, 0.9, 1.0], [0.0, 0.0, 1.0, 1.0], fitted_on="valid")
    assert np.isfinite([*fusion.weights, fusion.intercept]).all()
    assert (apply_fusion(fusion, [0.0, 1.0], [0.0, 1.0]) > 0.5).tolist() == [False, True]


def test_what_cannot_be_fused_is_refused() -> None:
    with pytest.raises(GreenstickError, match="one class"):
        fit_fusion([1, 1], [0.5, 0.6], [0.5, 0.6], fitted_on="valid")
    with pytest.raises(GreenstickError, match="beyond 0 and 1"):
        fit_fusion([0, 1], [0.5, 0.6], [0.5, 1.6], fitted_on="valid")
