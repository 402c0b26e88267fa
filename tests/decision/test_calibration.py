import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from greenstick.decision.calibration import BOUNDS, Temperature, fit_temperature
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
