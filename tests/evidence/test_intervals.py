import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from greenstick.evidence.intervals import (
    Interval,
    bands,
    bca,
    clopper_pearson,
    clustered_wilson,
    effective_n,
    expanded,
    fisher_interval,
    logit_interval,
    mover_difference,
    mover_mean,
    mover_ratio,
    percentile,
    t_of,
    wilson,
)

# Newcombe (1998), Statistics in Medicine 17:857, table I: methods 3 (Wilson) and 5 (exact).
PUBLISHED = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("hits", "n", "score", "exact"), PUBLISHED)
def test_proportions_match_the_published_table(
    hits: int, n: int, score: tuple[float, float], exact: tuple[float, float]
) -> None:
    found = wilson(hits, n)
    assert (found.lower, found.upper) == pytest.approx(score, abs=5e-5)
    found = clopper_pearson(hits, n)
    assert (found.lower, found.upper) == pytest.approx(exact, abs=5e-5)


@given(n=st.integers(1, 500), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_proportions_match_scipy(n: int, share: float, level: float) -> None:
    hits = round(share * n)
    for ours, theirs in ((wilson, "wilson"), (clopper_pearson, "exact")):
        found = ours(hits, n, level)
        limits = stats.binomtest(hits, n).proportion_ci(level, theirs)
        assert (found.lower, found.upper) == pytest.approx((limits.low, limits.high), abs=1e-9)


def test_no_trial_says_nothing() -> None:
    for interval in (wilson, clopper_pearson):
        found = interval(0, 0)
        assert (found.lower, found.upper) == (0.0, 1.0)
    found = clustered_wilson(np.zeros(3), np.zeros(3))
    assert (found.lower, found.upper) == (0.0, 1.0)


def test_one_image_a_patient_gives_the_plain_interval() -> None:
    hits = np.array([1.0, 0, 1, 1, 0, 0])
    assert clustered_wilson(hits, np.ones(6)) == wilson(3, 6)
    assert clustered_wilson(hits, np.array([1.0, 1, 1, 1, 0, 0])) == wilson(3, 4)


@given(hits=st.lists(st.integers(0, 1), min_size=3, max_size=60), copies=st.integers(2, 9))
def test_copies_of_an_image_never_narrow_the_interval(hits: list[int], copies: int) -> None:
    once = np.array(hits, dtype=np.float64)
    plain = wilson(once.sum(), len(once))
    found = clustered_wilson(once * copies, np.full(len(once), float(copies)))
    assert found.upper - found.lower >= plain.upper - plain.lower - 1e-12


def test_the_design_effect_is_that_of_survey_statistics() -> None:
    # Ratio estimator by hand: 4 patients, p = 6/10, residuals y - p n = (.8, -1.2, .2, .2).
    successes, trials = np.array([2.0, 0, 2, 2]), np.array([2.0, 2, 3, 3])
    residuals = successes - 0.6 * trials
    variance = 4 / 3 * (residuals**2).sum() / 100
    expected = 10 / (variance / (0.24 / 10))
    expected *= (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 3)) ** 2
    assert effective_n(successes, trials) == pytest.approx(expected)


def test_where_all_images_agree_each_patient_counts_once() -> None:
    assert effective_n(np.full(5, 3.0), np.full(5, 3.0)) == 5
    assert effective_n(np.array([1.0]), np.array([3.0])) == 1


def test_fewer_trials_than_they_seem_and_never_more() -> None:
    generator = np.random.default_rng(0)
    trials = generator.integers(1, 5, 200).astype(np.float64)
    apart = generator.binomial(trials.astype(int), 0.3).astype(np.float64)
    assert 0.6 * trials.sum() < effective_n(apart, trials) <= trials.sum()


def test_the_mean_of_two_shares_has_the_interval_of_their_difference() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873, method 10: 56/70 - 48/80 = 0.2,
    # 0.0524 to 0.3339; a mean of p and 1 - q is that difference, halved and shifted.
    p, q = 56 / 70, 48 / 80
    second = wilson(80 - 48, 80)
    found = mover_mean(p, wilson(56, 70), 1 - q, second)
    assert (2 * found.lower - 1, 2 * found.upper - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_difference_of_two_shares_matches_the_published_example() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873, method 10: 56/70 - 48/80.
    found = mover_difference(56 / 70, wilson(56, 70), 48 / 80, wilson(48, 80))
    assert (found.lower, found.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_shares_that_move_together_differ_less() -> None:
    p, q = wilson(80, 100), wilson(70, 100)
    apart, together = (mover_difference(0.8, p, 0.7, q, r) for r in (0.0, 0.9))
    assert together.upper - together.lower < 0.5 * (apart.upper - apart.lower)
    turned = mover_difference(0.7, q, 0.8, p, 0.9)
    assert (turned.lower, turned.upper) == pytest.approx((-together.upper, -together.lower))


def test_a_ratio_of_shares_agrees_with_the_log_method_for_many_images() -> None:
    a, m, b, n = 1600, 2000, 900, 3000
    found = mover_ratio(a / m, wilson(a, m), b / n, wilson(b, n))
    half = stats.norm.ppf(0.975) * np.sqrt(1 / a - 1 / m + 1 / b - 1 / n)
    ratio = (a / m) / (b / n)
    assert (found.lower, found.upper) == pytest.approx(
        (ratio * np.exp(-half), ratio * np.exp(half)), rel=2e-3
    )


def test_a_ratio_stands_at_zero() -> None:
    found = mover_ratio(0.8, wilson(8, 10), 0.0, wilson(0, 10))
    assert 1 < found.lower < 8
    assert found.upper == np.inf
    found = mover_ratio(0.0, wilson(0, 10), 0.5, wilson(5, 10))
    assert found.lower == 0
    assert 0 < found.upper < 2


@given(
    a=st.integers(0, 30),
    m=st.integers(1, 30),
    b=st.integers(0, 30),
    n=st.integers(1, 30),
    correlation=st.floats(-0.9, 0.9),
)
def test_a_ratio_lies_within_its_interval(
    a: int, m: int, b: int, n: int, correlation: float
) -> None:
    a, b = min(a, m), min(b, n)
    found = mover_ratio(a / m, wilson(a, m), b / n, wilson(b, n), correlation)
    assert 0 <= found.lower <= found.upper
    if b > 0:
        assert found.lower - 1e-9 <= (a / m) / (b / n) <= found.upper + 1e-9


@given(value=st.floats(0.01, 0.99), sd=st.floats(1e-4, 0.3))
def test_scales_keep_limits_within_range(value: float, sd: float) -> None:
    low, high = logit_interval(value, sd**2, 1.96)
    assert 0 <= low < value < high <= 1
    low, high = fisher_interval(2 * value - 1, sd**2, 1.96)
    assert -1 <= low < 2 * value - 1 < high <= 1


def test_bca_agrees_with_scipy() -> None:
    sample = np.random.default_rng(1).exponential(size=40)
    theirs = stats.bootstrap(
        (sample,), np.mean, n_resamples=2_000, method="BCa", rng=np.random.default_rng(2)
    )
    replicates = theirs.bootstrap_distribution
    left_out = np.array([np.delete(sample, i).mean() for i in range(40)])
    found = bca(sample.mean(), replicates, left_out)
    limits = theirs.confidence_interval
    assert found == pytest.approx((limits.low, limits.high))
    assert percentile(replicates)[1] < found[1]  # a skewed mean is corrected upwards


def test_bca_of_replicates_on_one_side_is_the_percentile_interval() -> None:
    replicates = np.linspace(1, 2, 101)
    assert bca(0.5, replicates, np.array([1.0, 2.0])) == percentile(replicates)


def test_few_patients_widen_the_bootstrap() -> None:
    # Hesterberg (2015): a nominal tail of 2.5 % becomes 1.59 % for 20 and 2.31 % for 100.
    assert (1 - expanded(0.95, 20)) / 2 == pytest.approx(0.0159, abs=5e-5)
    assert (1 - expanded(0.95, 100)) / 2 == pytest.approx(0.0231, abs=5e-5)
    assert expanded(0.95, 10**7) == pytest.approx(0.95, abs=1e-6)
    assert expanded(0.95, 1) == 1.0
    assert t_of(0.95, 2) == pytest.approx(12.706, abs=1e-3)
    assert t_of(0.95, 1) == np.inf


def test_replicates_that_failed_are_left_out() -> None:
    replicates = np.array([np.nan, *np.linspace(0, 1, 101)])
    assert percentile(replicates, 0.9) == pytest.approx((0.05, 0.95))
    low, high = bands(np.column_stack([replicates, replicates + 1]), 0.9)
    np.testing.assert_allclose([low, high], [[0.05, 1.05], [0.95, 1.95]])


def test_an_interval_says_how_it_was_made() -> None:
    assert wilson(1, 2).method == "Wilson (1927)"
    several = clustered_wilson(np.array([1.0, 2.0, 1.0]), np.array([2.0, 3.0, 2.0]))
    assert isinstance(several, Interval)
    assert "effective n by patient" in several.method
