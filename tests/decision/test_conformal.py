import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenstick.decision.conformal import Conformal, fit_conformal
from greenstick.errors import GreenstickError


def test_limits_are_the_textbook_order_statistics() -> None:
    # 19 images of each class and 10 % error: the 18th of 20 places, ceil(20 * 0.9) = 18.
    negatives, positives = np.arange(1.0, 20), np.arange(101.0, 120)
    labels = np.repeat([0, 1], 19)
    found = fit_conformal(labels, np.append(negatives, positives), error=0.1, fitted_on="valid")
    assert (found.normal_to, found.fracture_from) == (18.0, 102.0)
    assert found.sets([0.0, 18.0, 50.0, 102.0, 200.0]).tolist() == [
        [True, False],
        [True, False],
        [False, False],
        [False, True],
        [False, True],
    ]


def test_too_few_images_leave_everything_possible() -> None:
    found = fit_conformal([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], error=0.1, fitted_on="valid")
    assert (found.normal_to, found.fracture_from) == (None, None)
    assert found.sets([0.0, 1.0]).all()


@pytest.mark.parametrize(("n", "error"), [(25, 0.2), (60, 0.1), (40, 0.05)])
def test_the_promise_is_kept_on_average(n: int, error: float) -> None:
    # The error of a fit is Beta distributed; its mean is 1 - ceil((n + 1)(1 - error)) / (n + 1).
    generator = np.random.default_rng(0)
    exact = 1 - np.ceil(round((n + 1) * (1 - error), 9)) / (n + 1)
    missed = []
    for _ in range(400):
        labels = np.repeat([0, 1], n)
        scores = generator.normal(size=2 * n) + labels
        found = fit_conformal(labels, scores, error=error, fitted_on="valid")
        new = generator.normal(size=500) + 1
        missed.append(1 - found.sets(new)[:, 1].mean())
    assert np.mean(missed) == pytest.approx(exact, abs=0.008)
    assert np.mean(missed) <= error + 0.008


@given(st.integers(0, 1000))
def test_only_ranks_count_and_classes_mirror(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.permutation([0, 1] * 10)
    scores = generator.normal(size=20)
    new = generator.normal(size=30)
    plain = fit_conformal(labels, scores, error=0.2, fitted_on="valid").sets(new)
    cubed = fit_conformal(labels, scores**3, error=0.2, fitted_on="valid").sets(new**3)
    flipped = fit_conformal(1 - labels, -scores, error=0.2, fitted_on="valid").sets(-new)
    assert (plain == cubed).all()
    assert (plain == flipped[:, ::-1]).all()


@pytest.mark.parametrize("error", [0.0, 1.0, -0.1])
def test_an_error_is_a_share(error: float) -> None:
    with pytest.raises(GreenstickError, match="promised"):
        fit_conformal([0, 1], [0.1, 0.9], error=error, fitted_on="valid")


def test_it_survives_json() -> None:
    found = fit_conformal([0, 1] * 20, np.linspace(0, 1, 40), error=0.1, fitted_on="valid")
    assert Conformal.model_validate_json(found.model_dump_json()) == found
