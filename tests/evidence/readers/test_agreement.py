import numpy as np
import pytest
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss

from greenstick.evidence.readers.agreement import cohen_kappa, fleiss_kappa
from greenstick.evidence.rows import ScoredRows


def images(n: int, per_patient: int = 1) -> ScoredRows:
    return ScoredRows(np.arange(n) % 2 == 0, np.zeros(n), np.arange(n) // per_patient, np.arange(n))


def two_readers(n: int = 150, levels: int = 5, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    seen = truth + 0.8 * generator.normal(size=(2, n))
    return np.clip(np.round(seen + levels / 2), 1, levels)


@pytest.mark.parametrize("quadratic", [False, True])
def test_kappa_and_its_error_are_those_of_statsmodels(quadratic: bool) -> None:
    x, y = two_readers()
    counts = np.histogram2d(x, y, bins=np.arange(0.5, 6))[0]
    expected = cohens_kappa(counts, wt="fc" if quadratic else None)
    found = cohen_kappa(images(150), x, y, quadratic=quadratic)
    assert found.value == pytest.approx(expected.kappa)
    assert found.lower is not None
    assert found.upper is not None
    # On Fisher's scale, the delta method's error is that of kappa over 1 - kappa squared.
    half = (np.arctanh(found.upper) - np.arctanh(found.lower)) / 2
    error = half / 1.959964 * (1 - expected.kappa**2)
    assert error == pytest.approx(expected.std_kappa, rel=0.01)


def test_fleiss_kappa_is_that_of_statsmodels_and_its_error_the_jackknifes() -> None:
    generator = np.random.default_rng(1)
    ratings = np.vstack([two_readers(80, 3), two_readers(80, 3)[:1]])
    ratings[2, generator.random(80) < 0.3] = 2
    found = fleiss_kappa(images(80), ratings)
    assert found.value == pytest.approx(fleiss(aggregate_raters(ratings.T)[0]))
    left_out = [fleiss(aggregate_raters(np.delete(ratings, i, axis=1).T)[0]) for i in range(80)]
    error = np.sqrt(79 / 80 * ((left_out - np.mean(left_out)) ** 2).sum())
    assert found.value is not None
    assert found.lower is not None
    half = np.arctanh(found.value) - np.arctanh(found.lower)
    assert half / 1.959964 * (1 - found.value**2) == pytest.approx(error, rel=0.03)


def test_fleiss_kappa_of_two_readers_alike_in_margins_is_cohens() -> None:
    x = np.array([0, 0, 0, 1, 1, 1.0] * 5)
    y = np.array([0, 0, 1, 1, 1, 0.0] * 5)
    assert fleiss_kappa(images(30), np.stack([x, y])).value == pytest.approx(
        cohen_kappa(images(30), x, y).value
    )


def test_copied_images_narrow_no_interval() -> None:
    x, y = two_readers(60, 2)
    once = cohen_kappa(images(60), x, y)
    often = cohen_kappa(images(300, per_patient=5), np.repeat(x, 5), np.repeat(y, 5))
    assert often.value == pytest.approx(once.value)
    assert often.upper is not None
    assert once.upper is not None
    assert often.upper >= once.upper - 1e-9


def test_perfect_agreement_is_not_certain() -> None:
    x = np.array([0.0, 1.0] * 10)
    found = cohen_kappa(images(20), x, x)
    assert (found.value, found.upper) == (1.0, 1.0)
    # Wilson's lower limit of 20 of 20, less chance of a half.
    assert found.lower == pytest.approx((20 / (20 + 1.959964**2) - 0.5) / 0.5)


def test_one_rating_for_all_images_is_no_agreement() -> None:
    assert cohen_kappa(images(10), np.ones(10), np.ones(10)).value is None


def test_the_weighted_kappa_forgives_a_near_miss() -> None:
    x = np.array([1, 2, 3, 4, 5.0] * 6)
    near, far = np.clip(x + 1, 1, 5), 6 - x
    by = {
        name: cohen_kappa(images(30), x, y, quadratic=True).value
        for name, y in (("near", near), ("far", far))
    }
    assert by["near"] is not None
    assert by["far"] is not None
    assert by["near"] > 0.7
    assert by["far"] < 0
