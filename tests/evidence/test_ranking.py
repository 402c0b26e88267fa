from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from greenstick.evidence.bootstrap import draw_weights
from greenstick.evidence.ranking import (
    GRID,
    precision_on_grid,
    rank,
    roc_on_grid,
    steps,
    weighted_auroc,
    weighted_average_precision,
    weighted_partial_auroc,
)
from greenstick.evidence.resampling import statistics_of
from greenstick.evidence.rows import Ints, ScoredRows

Draw = Callable[..., ScoredRows]


def weighted(rows: ScoredRows, seed: int, replicates: int = 3) -> tuple[Ints, Ints]:
    """Return patient weights, and (replicates, n) weights in the order of the rows."""
    weights = draw_weights(np.random.default_rng(seed), rows.n_patients, replicates)
    ranking = rank(rows)
    by_row = np.empty((replicates, len(rows)), dtype=np.int64)
    by_row[:, ranking.order] = ranking.row_weights(weights)
    return weights, by_row


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 999),
    n=st.integers(8, 80),
    images_per_patient=st.integers(1, 4),
    levels=st.sampled_from([0, 2, 7]),
)
def test_weighted_figures_agree_with_scikit_learn(
    drawn_rows: Draw, seed: int, n: int, images_per_patient: int, levels: int
) -> None:
    rows = drawn_rows(n, seed=seed, images_per_patient=images_per_patient, steps=levels)
    weights, by_row = weighted(rows, seed)
    ranking = rank(rows)
    ranked = ranking.row_weights(weights)
    curve = steps(ranking, ranked)
    found = {
        roc_auc_score: weighted_auroc(curve),
        average_precision_score: weighted_average_precision(curve),
    }
    for b, w in enumerate(by_row):
        both = len(np.unique(rows.labels[w > 0])) == 2
        for theirs, ours in found.items():
            if both:
                assert ours[b] == pytest.approx(theirs(rows.labels, rows.scores, sample_weight=w))
        if not both:
            assert np.isnan(found[roc_auc_score][b])
    losses = statistics_of(rows)(weights)
    for b, w in enumerate(by_row):
        assert losses["Brier score"][b] == pytest.approx(
            brier_score_loss(rows.labels, rows.scores, sample_weight=w, pos_label=True)
        )
        assert losses["log loss"][b] == pytest.approx(
            log_loss(rows.labels, rows.scores, sample_weight=w, labels=[False, True])
        )


@pytest.mark.parametrize("levels", [0, 4, 30])
def test_curves_agree_with_scikit_learn(drawn_rows: Draw, levels: int) -> None:
    rows = drawn_rows(200, steps=levels)
    curve = steps(rank(rows), np.ones((1, 200), dtype=np.int64))
    fpr, tpr, _ = roc_curve(rows.labels, rows.scores, drop_intermediate=False)
    np.testing.assert_allclose(roc_on_grid(curve)[0], np.interp(GRID, fpr, tpr), atol=1e-9)
    precision, recall, _ = precision_recall_curve(rows.labels, rows.scores)
    reached = [precision[:-1][recall[:-1] >= r - 1e-12][-1] for r in GRID[1:]]
    np.testing.assert_allclose(precision_on_grid(curve)[0][1:], reached)


@pytest.mark.parametrize("levels", [0, 6])
@pytest.mark.parametrize("high", [0.1, 0.37, 1.0])
def test_the_partial_area_agrees_with_scikit_learn(
    drawn_rows: Draw, levels: int, high: float
) -> None:
    rows = drawn_rows(150, steps=levels)
    weights = draw_weights(np.random.default_rng(0), 150, 1)
    ranking = rank(rows)
    by_row = np.empty(150)
    by_row[ranking.order] = weights[0]
    curve = steps(ranking, weights)
    expected = roc_auc_score(rows.labels, rows.scores, max_fpr=high, sample_weight=by_row)
    assert weighted_partial_auroc(curve, 0.0, high)[0] == pytest.approx(expected)


def test_a_partial_area_in_the_middle_agrees_with_the_trapezoid(drawn_rows: Draw) -> None:
    rows = drawn_rows(200, steps=9)
    fpr, tpr, _ = roc_curve(rows.labels, rows.scores)
    x = np.linspace(0.2, 0.6, 200_001)
    area = np.trapezoid(np.interp(x, fpr, tpr), x)
    expected = (1 + (area - 0.16) / (0.4 - 0.16)) / 2
    curve = steps(rank(rows), np.ones((1, 200), dtype=np.int64))
    assert weighted_partial_auroc(curve, 0.2, 0.6)[0] == pytest.approx(expected, abs=1e-6)


def test_a_roc_curve_ends_in_its_corner(drawn_rows: Draw) -> None:
    curve = roc_on_grid(steps(rank(drawn_rows(50)), np.ones((1, 50), dtype=np.int64)))[0]
    assert curve[-1] == 1.0
    assert (np.diff(curve) >= 0).all()


@pytest.mark.parametrize("label", [True, False])
def test_rows_of_one_class_have_no_area_and_no_curve(label: bool) -> None:
    rows = ScoredRows(np.full(4, label), np.linspace(0, 1, 4), np.arange(4), np.arange(4))
    curve = steps(rank(rows), np.ones((2, 4), dtype=np.int64))
    assert np.isnan(weighted_auroc(curve)).all()
    assert np.isnan(roc_on_grid(curve)).all()
    assert np.isnan(weighted_average_precision(curve)).all() == (not label)
    assert np.isnan(precision_on_grid(curve)).all() == (not label)
