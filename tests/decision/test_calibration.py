import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.special import expit, softmax
from sklearn.calibration import _sigmoid_calibration
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from greenstick.decision.calibration import (
    BOUNDS,
    Beta,
    Calibration,
    Temperature,
    fit_beta,
    fit_calibration,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from greenstick.errors import GreenstickError


def drawn(temperature: float, n: int = 4000, seed: int = 0) -> tuple[NDArray, NDArray]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(0, 2, n)
    return truth * temperature, (generator.random(n) < expit(truth)).astype(int)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_is_found(temperature: float) -> None:
    found = fit_temperature(*drawn(temperature), fitted_on="valid")
    assert found.value == pytest.approx(temperature, rel=0.08)
    assert (found.fitted_on, found.n, found.at_bound) == ("valid", 4000, False)


def test_it_is_logistic_regression_without_intercept() -> None:
    logits, labels = drawn(1.7)
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    theirs.fit(logits[:, None], labels)
    found = fit_temperature(logits, labels, fitted_on="valid")
    assert 1 / found.value == pytest.approx(float(theirs.coef_[0, 0]), rel=1e-4)


@given(st.integers(0, 10_000))
def test_no_temperature_within_the_bounds_does_better(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.permutation([0, 1] * 6)
    logits = generator.normal(0, 5, 12) + labels
    found = fit_temperature(logits, labels, fitted_on="valid").value

    def loss(temperature: float) -> float:
        return float(np.logaddexp(0, np.where(labels, -1, 1) * logits / temperature).mean())

    assert all(loss(found) <= loss(t) + 1e-9 for t in np.geomspace(*BOUNDS, 200))


def test_separable_rows_stop_at_the_bound() -> None:
    found = fit_temperature([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], fitted_on="valid")
    assert found.value == pytest.approx(BOUNDS[0])
    assert found.at_bound
    inverted = fit_temperature([2.0, 1.0, -1.0, -2.0], [0, 0, 1, 1], fitted_on="valid")
    assert inverted.value == pytest.approx(BOUNDS[1])
    assert inverted.at_bound


def test_enormous_logits_do_not_overflow() -> None:
    found = fit_temperature([-1e6, 1e6, -1e6, 1e6], [0, 1, 1, 0], fitted_on="valid")
    assert np.isfinite(found.value)
    assert np.isfinite(found.apply([1e6, -1e6])).all()


def test_applying_divides_the_logit() -> None:
    temperature = Temperature(value=2.0, fitted_on="valid", n=1)
    np.testing.assert_allclose(temperature.apply([-2.0, 0.0, 2.0]), expit([-1.0, 0.0, 1.0]))
    several = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(temperature.apply(several), softmax(several / 2, axis=1))


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        ([0.0, 1.0], [1, 1], "one class"),
        ([0.0, np.nan], [0, 1], "missing or infinite"),
        ([0.0, 1.0, 2.0], [0, 1], "shape"),
        ([0.0, 1.0], [0, 2], "0 or 1"),
        ([], [], "one class"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    logits: list[float], labels: list[int], says: str
) -> None:
    with pytest.raises(GreenstickError, match=says):
        fit_temperature(logits, labels, fitted_on="valid")


def test_a_temperature_survives_json() -> None:
    found = fit_temperature(*drawn(1.3, n=50), fitted_on="valid")
    assert Temperature.model_validate_json(found.model_dump_json()) == found


METHODS = ["temperature", "platt", "beta", "isotonic"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_probabilities_that_rise_with_the_logit(method: str) -> None:
    logits, labels = drawn(2.0, n=500)
    found = fit_calibration(logits, labels, method=method, fitted_on="valid")
    probabilities = found.apply(np.linspace(-40, 40, 500))
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (found.method, found.fitted_on, found.n) == (method, "valid", 500)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_mends_a_network_that_is_too_sure(method: str) -> None:
    logits, labels = drawn(3.0)
    found = fit_calibration(logits, labels, method=method, fitted_on="valid")
    other, truth = drawn(3.0, seed=1)
    assert log_loss(truth, found.apply(other)) < log_loss(truth, expit(other)) - 0.1
    assert np.abs(found.apply(other) - expit(other / 3)).mean() < 0.03


@pytest.mark.parametrize("method", METHODS)
def test_every_method_survives_json(method: str) -> None:
    found = fit_calibration(*drawn(1.3, n=80), method=method, fitted_on="valid")
    adapter: TypeAdapter[object] = TypeAdapter(Calibration)
    assert adapter.validate_json(adapter.dump_json(found)) == found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "logits", [[-2.0, -1.0, 1.0, 2.0], [-1e5, -1e-5, 1e-5, 1e5], [3.0] * 4, [2.0, 1.0, -1.0, -2.0]]
)
def test_odd_rows_give_finite_probabilities(method: str, logits: list[float]) -> None:
    found = fit_calibration(logits, [0, 0, 1, 1], method=method, fitted_on="valid")
    assert np.isfinite(found.apply([-1e6, -1.0, 0.0, 1.0, 1e6])).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_rows_of_one_class(method: str) -> None:
    with pytest.raises(GreenstickError, match="one class"):
        fit_calibration([0.0, 1.0], [0, 0], method=method, fitted_on="valid")


def test_platt_agrees_with_scikit_learn() -> None:
    logits, labels = drawn(1.6, n=300)
    a, b = _sigmoid_calibration(logits, labels)
    found = fit_platt(logits, labels, fitted_on="valid")
    assert (found.slope, found.intercept) == pytest.approx((-a, -b), rel=1e-3)


def test_platt_mends_a_shift() -> None:
    logits, labels = drawn(1.0)
    found = fit_platt(logits + 2, labels, fitted_on="valid")
    assert (found.slope, found.intercept) == pytest.approx((1, -2), abs=0.15)


def test_beta_of_equal_slopes_is_a_line_of_the_logit() -> None:
    beta = Beta(a=1.5, b=1.5, c=-0.3, fitted_on="valid", n=1)
    logits = np.linspace(-9, 9, 19)
    np.testing.assert_allclose(beta.apply(logits), expit(1.5 * logits - 0.3))


def test_beta_agrees_with_logistic_regression() -> None:
    logits, labels = drawn(1.6, n=600)
    features = np.column_stack([np.log(expit(logits)), -np.log(1 - expit(logits))])
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(features, labels)
    found = fit_beta(logits, labels, fitted_on="valid")
    expected = (*theirs.coef_[0], theirs.intercept_[0])
    assert (found.a, found.b, found.c) == pytest.approx(expected, rel=5e-3, abs=5e-3)


def test_isotonic_agrees_with_scikit_learn() -> None:
    logits, labels = drawn(1.6, n=400)
    logits = logits.round(1)  # ties
    theirs = IsotonicRegression(out_of_bounds="clip").fit(logits, labels)
    found = fit_isotonic(logits, labels, fitted_on="valid")
    grid = np.linspace(-12, 12, 999)
    np.testing.assert_allclose(found.apply(grid), theirs.predict(grid), atol=1e-9)
    assert len(found.logits) < 60
