import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from greenstick.errors import GreenstickError
from greenstick.evidence.significance import clustered_mcnemar, holm, mcnemar, resampled_t


def test_mcnemar_matches_the_published_example() -> None:
    # Fagerland, Lydersen & Laake (2013), airway hyper-responsiveness before and after stem cell
    # transplantation: 1 and 7 discordant pairs, exact p = 0.070, mid-p = 0.039.
    assert mcnemar(1, 7).p_value == pytest.approx(0.039, abs=5e-4)
    assert stats.binomtest(1, 8).pvalue == pytest.approx(0.070, abs=5e-4)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_symmetric_and_below_the_exact_test(a: int, b: int) -> None:
    p = mcnemar(a, b).p_value
    assert p == pytest.approx(mcnemar(b, a).p_value)
    assert 0 <= p <= 1
    if a + b:
        assert p <= stats.binomtest(a, a + b).pvalue + 1e-12


def test_no_disagreement_is_no_difference() -> None:
    assert mcnemar(0, 0).p_value == 1
    assert clustered_mcnemar(np.ones(4), np.ones(4)).p_value == 1


def test_clustered_mcnemar_is_mcnemar_for_one_image_a_patient() -> None:
    first = np.repeat([1.0, 0.0, 1.0], [30, 10, 60])
    second = np.repeat([0.0, 1.0, 1.0], [30, 10, 60])
    found = clustered_mcnemar(first, second)
    assert found.statistic**2 == pytest.approx((30 - 10) ** 2 / (30 + 10))


def test_copies_of_images_do_not_make_a_difference_significant() -> None:
    first, second = np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 1, 0])
    once, many = clustered_mcnemar(first, second), clustered_mcnemar(5 * first, 5 * second)
    assert many.p_value == pytest.approx(once.p_value)


def test_holm_matches_its_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_and_bonferroni(p_values: list[float]) -> None:
    adjusted, raw = holm(p_values), np.array(p_values)
    assert (adjusted >= raw - 1e-12).all()
    assert (adjusted <= np.minimum(1, raw * len(raw)) + 1e-12).all()
    order = np.argsort(raw)
    assert (np.diff(adjusted[order]) >= -1e-12).all()


def test_the_corrected_t_test_is_wider_than_the_plain_one() -> None:
    differences = [0.01, 0.03, 0.02, 0.00, 0.04]
    plain = stats.ttest_1samp(differences, 0)
    found = resampled_t(differences, 0.2)
    # k = 5 and n2 / n1 = 1 / 4: the statistic shrinks by sqrt(0.2 / (0.2 + 0.25)).
    assert found.statistic == pytest.approx(plain.statistic * np.sqrt(0.2 / 0.45))
    assert found.p_value == pytest.approx(2 * stats.t.sf(found.statistic, 4))
    assert resampled_t(differences, 0.0).p_value == pytest.approx(plain.pvalue)


def test_folds_that_agree_have_no_statistic_and_one_fold_no_test() -> None:
    assert resampled_t([0.25, 0.25], 0.2).p_value is None
    with pytest.raises(GreenstickError, match="One fold"):
        resampled_t([0.1], 0.2)
