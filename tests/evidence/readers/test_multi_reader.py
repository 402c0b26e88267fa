"""Against the published analysis of Van Dyke's data.

Ratings: Van Dyke et al. (1993), cine and spin-echo MRI for aortic dissection, five readers, 114
patients, as distributed by the University of Iowa for teaching. Expected figures: output of that
university's program OR-DBM MRMC 2.51 (trapezoidal area, jackknife covariance).
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import t

from greenstick.evidence.discrimination import placements
from greenstick.evidence.readers.figures import figures_of
from greenstick.evidence.readers.multi_reader import (
    ReaderFigures,
    Readers,
    judge_all_readers,
    judge_model_against_readers,
)
from greenstick.evidence.readers.table import Study, to_study
from greenstick.scores import read_scores

VAN_DYKE = Path(__file__).parent / "van_dyke.csv"


@pytest.fixture(scope="module")
def study() -> Study:
    return to_study(read_scores(VAN_DYKE))[0]


def by_jackknife(study: Study) -> ReaderFigures:
    """Return the areas with their covariance by leaving out one case after another."""
    t, r, n = study.ratings.shape
    columns = study.ratings.reshape(t * r, n)

    def areas(kept: np.ndarray) -> list[float]:
        return [placements(study.labels[kept], c[kept]).auroc for c in columns]

    left_out = np.array([areas(np.arange(n) != i) for i in range(n)])
    gaps = left_out - left_out.mean(axis=0)
    covariance = (n - 1) / n * gaps.T @ gaps
    values = np.array(areas(np.ones(n, dtype=bool))).reshape(t, r)
    return ReaderFigures("AUROC", study.modalities, values, covariance.reshape(t, r, t, r), n, n)


@pytest.fixture(scope="module")
def published(study: Study) -> ReaderFigures:
    return by_jackknife(study)


def test_areas_are_those_published(published: ReaderFigures) -> None:
    expected = [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
    assert published.values == pytest.approx(np.array(expected), abs=5e-9)


def test_components_are_those_published(published: ReaderFigures) -> None:
    found = judge_all_readers(published, "random").components
    expected = {
        "reader": 0.00153500,
        "modality_by_reader": 0.00020040,
        "cov1": 0.00034661,
        "cov2": 0.00034407,
        "cov3": 0.00023903,
        "error": 0.00080229,
    }
    assert found is not None
    assert found.model_dump() == pytest.approx(expected, abs=5.1e-9)


def test_random_readers_are_judged_as_published(published: ReaderFigures) -> None:
    found = judge_all_readers(published, "random")
    test, gap = found.test, found.contrasts[0].difference
    assert test is not None
    assert (test.statistic, test.p_value) == pytest.approx((4.46, 0.0517), abs=5e-3)
    assert test.p_value == pytest.approx(0.0517, abs=5e-5)
    assert "F(1, 15.3)" in test.method
    assert (gap.difference, gap.lower, gap.upper) == pytest.approx(
        (0.04380, -0.00036, 0.08796), abs=5e-6
    )
    assert gap.p_value == pytest.approx(0.0517, abs=5e-5)
    limits = [(e.value, e.lower, e.upper) for e in found.means]
    assert limits[0] == pytest.approx((0.89703704, 0.82522360, 0.96885048), abs=2e-8)
    assert limits[1] == pytest.approx((0.94083736, 0.89413783, 0.98753689), abs=2e-8)
    assert "t(12.7)" in found.means[0].method


def test_fixed_readers_are_judged_as_published(published: ReaderFigures) -> None:
    found = judge_all_readers(published, "fixed")
    test, gap = found.test, found.contrasts[0].difference
    assert test is not None
    assert test.statistic == pytest.approx(5.47595, abs=5e-6)
    assert test.p_value == pytest.approx(0.0193, abs=5e-5)
    assert (gap.lower, gap.upper) == pytest.approx((0.00711, 0.08049), abs=5e-6)
    limits = [(e.lower, e.upper) for e in found.means]
    assert limits[0] == pytest.approx((0.84943008, 0.94464399), abs=2e-8)
    assert limits[1] == pytest.approx((0.90795637, 0.97371835), abs=2e-8)


def test_delong_gives_nearly_what_the_jackknife_does(
    study: Study, published: ReaderFigures
) -> None:
    (ours,) = figures_of(study)
    assert ours.values == pytest.approx(published.values)
    largest = np.abs(published.covariance).max()
    assert np.abs(ours.covariance - published.covariance).max() < 0.02 * largest
    test = judge_all_readers(ours, "random").test
    assert test is not None
    assert test.p_value == pytest.approx(0.0517, abs=5e-4)


def test_shares_vary_together_as_calls_do(study: Study) -> None:
    called, _ = to_study(read_scores(VAN_DYKE), call_from=3)
    _, sensitivity, specificity = figures_of(called)
    calls = (called.ratings >= 3).reshape(10, -1)
    for figures, right in (
        (sensitivity, calls[:, called.labels]),
        (specificity, ~calls[:, ~called.labels]),
    ):
        expected = np.cov(right) / right.shape[1]
        assert figures.covariance.reshape(10, 10) == pytest.approx(expected)
        assert figures.values.ravel() == pytest.approx(right.mean(axis=1))
    assert (sensitivity.n_images, specificity.n_images) == (45, 69)


def test_a_single_reader_is_judged_by_delong_alone(study: Study) -> None:
    one, _ = to_study(read_scores(VAN_DYKE).filter(pl.col("reader") == "5"))
    (figures,) = figures_of(one)
    found = judge_all_readers(figures, "fixed")
    gap = found.contrasts[0].difference
    # Published for reader 5 by jackknife: -0.18651 to -0.01381, p 0.0230.
    assert (gap.lower, gap.upper) == pytest.approx((0.01381, 0.18651), abs=1e-3)
    assert found.components is None


def test_readers_who_all_equal_the_model_do_not_differ_from_it() -> None:
    covariance = np.full((4, 4), 1e-3)
    gap = judge_model_against_readers("AUROC", 0.9, np.array([0.9, 0.9, 0.9]), covariance)
    assert gap.difference == 0
    assert gap.p_value is None


def test_a_model_that_is_one_more_reader_of_independent_errors() -> None:
    """Then the gap's variance is that of the mean plus that of the model."""
    values, own, between = np.array([0.80, 0.84, 0.88, 0.92]), 4e-4, 1e-4
    covariance = np.full((5, 5), between)
    covariance[4, :4] = covariance[:4, 4] = 0
    covariance[np.diag_indices(5)] = own
    gap = judge_model_against_readers("AUROC", 0.95, values, covariance)
    spread = values.var(ddof=1)
    total = spread + 4 * (between + own)
    freedom = 3 * (total / spread) ** 2
    half = t.ppf(0.975, freedom) * np.sqrt(total / 4)
    assert gap.difference == pytest.approx(0.09)
    assert gap.upper == pytest.approx(0.09 + half)


@pytest.mark.parametrize("readers", ["random", "fixed"])
def test_the_test_holds_its_level(readers: Readers) -> None:
    """Under no difference, at most about one study in twenty finds one."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(300):
        labels = np.arange(120) < 50
        truth = generator.normal(size=120) + 1.6 * labels
        skill = generator.normal(0, 0.2, size=(1, 4, 1)) if readers == "random" else 0.0
        noise = generator.normal(size=(2, 4, 120))
        ratings = truth + noise + skill * labels
        images = pl.Series([str(i) for i in range(120)])
        study = Study(
            images, labels, np.arange(120), ("a", "b"), ("1", "2", "3", "4"), ratings, None
        )
        test = judge_all_readers(figures_of(study)[0], readers).test
        assert test is not None
        found.append(test.p_value)
    share = np.mean(np.array(found) < 0.05)
    assert 0.01 <= share <= 0.085
