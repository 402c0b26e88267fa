from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from greenstick.evidence.intervals import wilson
from greenstick.evidence.reliability import (
    brier_losses,
    calibration_error,
    equal_width,
    log_losses,
    reliability,
)
from greenstick.evidence.rows import ScoredRows

Draw = Callable[..., ScoredRows]


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
    plain, debiased = calibration_error(judged, equal_width(judged.scores))
    assert plain.value == pytest.approx(ece_by_hand(judged))
    assert plain.lower <= debiased.value <= plain.value <= plain.upper
    assert debiased.lower <= debiased.value <= debiased.upper


def calibrated(n: int, seed: int, too_sure: float) -> ScoredRows:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, n)
    return rows(generator.random(n) < expit(logits), expit(too_sure * logits))


def test_noise_alone_is_no_calibration_error() -> None:
    debiased, held = [], 0
    for seed in range(40):
        judged = calibrated(200, seed, 1.0)
        plain, without_bias = calibration_error(judged, equal_width(judged.scores), seed=seed)
        assert plain.value > 0.02  # what a naive reader would believe
        debiased.append(without_bias.value)
        held += plain.lower == 0
    assert np.median(debiased) < 0.02
    assert held >= 34


def test_the_interval_holds_a_true_calibration_error() -> None:
    truth = calibrated(1_000_000, 0, 2.0)
    true = calibration_error(truth, equal_width(truth.scores))[0].value
    held = 0
    for seed in range(60):
        judged = calibrated(300, seed, 2.0)
        found = calibration_error(judged, equal_width(judged.scores), seed=seed)[1]
        held += found.lower <= true <= found.upper
    assert held >= 53


def test_copies_of_images_do_not_narrow_the_interval(drawn_rows: Draw) -> None:
    once = drawn_rows(150)
    copies = rows(np.tile(once.labels, 4), np.tile(once.scores, 4), np.tile(np.arange(150), 4))
    a, b = (calibration_error(r, equal_width(r.scores))[1] for r in (once, copies))
    assert (b.value, b.lower, b.upper) == pytest.approx((a.value, a.lower, a.upper), abs=1e-4)


def test_scores_that_are_the_outcome_have_no_error() -> None:
    judged = rows([0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0])
    for found in calibration_error(judged, equal_width(judged.scores)):
        assert (found.value, found.lower, found.upper) == (0, 0, 0)
