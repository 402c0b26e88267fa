import numpy as np
import pytest

from greenstick.evidence.intervals import wilson
from greenstick.evidence.reliability import (
    brier_losses,
    brier_parts,
    equal_mass,
    equal_width,
    log_losses,
    reliability,
)
from greenstick.evidence.rows import ScoredRows


def rows(labels: object, scores: object, patients: object = None) -> ScoredRows:
    label = np.asarray(labels, dtype=bool)
    whose = np.arange(len(label)) if patients is None else np.asarray(patients)
    return ScoredRows(label, np.asarray(scores, dtype=float), whose, np.arange(len(label)))


def test_a_left_edge_belongs_to_its_bin_and_1_to_the_last() -> None:
    assert equal_width(np.array([0.0, 0.099, 0.1, 0.95, 1.0])).of_row.tolist() == [0, 0, 1, 9, 9]


def test_bins_say_what_happened() -> None:
    judged = rows([0, 1, 1, 1], [0.02, 0.04, 0.65, 1.0])
    bins = reliability(judged, equal_width(judged.scores))
    assert [b.n for b in bins] == [2, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert (bins[0].mean_score, bins[0].observed) == (pytest.approx(0.03), 0.5)
    assert (bins[0].lower, bins[0].upper) == (wilson(1, 2).lower, wilson(1, 2).upper)
    assert bins[1].observed is None
    assert (bins[9].left, bins[9].right) == (pytest.approx(0.9), 1.0)


def test_losses_stay_finite_at_0_and_1() -> None:
    judged = rows([1, 0, 1], [0.0, 0.0, 1.0])
    assert brier_losses(judged).tolist() == [1, 0, 0]
    assert log_losses(judged) == pytest.approx([36.04, 0, 0], abs=0.01)


def test_bins_of_equal_mass_hold_as_many_images_each() -> None:
    scores = np.random.default_rng(0).beta(1, 4, 1000)
    binning = equal_mass(scores)
    assert binning.n == 10
    assert set(np.bincount(binning.of_row)) <= {99, 100, 101}
    tied = equal_mass(np.repeat([0.1, 0.1, 0.1, 0.9], 10))
    assert np.bincount(tied.of_row).tolist() in ([30, 10], [0, 30, 10])
    assert equal_mass(np.zeros(5)).n == 1


def test_the_brier_score_is_the_sum_of_its_parts() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random(500)
    judged = rows(generator.random(500) < scores**2, scores)
    parts = brier_parts(judged, equal_width(scores))
    assert parts.brier == pytest.approx(brier_losses(judged).mean())
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(parts.brier)
    assert parts.uncertainty == pytest.approx(judged.labels.var())
    assert 0 < parts.reliability < parts.resolution < parts.uncertainty


def test_parts_are_murphys_where_each_bin_has_one_score() -> None:
    judged = rows([0, 0, 1, 1, 1, 0], [0.15, 0.15, 0.15, 0.75, 0.75, 0.75])
    parts = brier_parts(judged, equal_width(judged.scores))
    assert parts.reliability == pytest.approx(((1 / 3 - 0.15) ** 2 + (2 / 3 - 0.75) ** 2) / 2)
    assert parts.resolution == pytest.approx((1 / 6) ** 2)
