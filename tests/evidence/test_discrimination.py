import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from greenstick.evidence.discrimination import (
    auroc,
    auroc_covariance,
    auroc_variance,
    newcombe,
    placements,
)
from greenstick.evidence.rows import ScoredRows

Floats = NDArray[np.float64]


def rows(labels: object, scores: object, patients: object = None) -> ScoredRows:
    label = np.asarray(labels).astype(bool)
    whose = np.arange(len(label)) if patients is None else np.asarray(patients)
    _, numbers = np.unique(whose, return_inverse=True)
    return ScoredRows(label, np.asarray(scores, float), numbers, np.arange(len(label)))


# Hanley & McNeil (1982), table I: 109 CT images rated 1 to 5.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
CT_SCORES = np.repeat([1, 2, 3, 4, 5] * 2, NORMAL + ABNORMAL)
CT_LABELS = np.repeat([0, 1], [sum(NORMAL), sum(ABNORMAL)])


def test_the_published_example_is_reproduced() -> None:
    # Area from the paper; DeLong's standard error as Stata's manual prints it (roctab).
    judged = rows(CT_LABELS, CT_SCORES)
    placed = placements(judged.labels, judged.scores)
    assert placed.auroc == pytest.approx(0.8932, abs=5e-5)
    assert np.sqrt(auroc_variance(judged, placed)) == pytest.approx(0.0307, abs=5e-5)


def by_hand(labels: Floats, scores: Floats, patients: Floats) -> tuple[float, float]:
    """Obuchowski (1997) with every pair looked at, formula by formula."""
    x, y = scores[labels == 1], scores[labels == 0]
    kernel = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    theta, m, n = kernel.mean(), len(x), len(y)
    v10, v01 = kernel.mean(axis=1), kernel.mean(axis=0)
    px, py = patients[labels == 1], patients[labels == 0]
    s10 = s01 = s11 = 0.0
    for patient in np.unique(patients):
        a = (v10[px == patient] - theta).sum()
        b = (v01[py == patient] - theta).sum()
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    i10, i01, i = len(np.unique(px)), len(np.unique(py)), len(np.unique(patients))
    s10 *= i10 / ((i10 - 1) * m)
    s01 *= i01 / ((i01 - 1) * n)
    s11 *= i / (i - 1)
    return theta, s10 / m + s01 / n + 2 * s11 / (m * n)


@pytest.mark.parametrize("seed", range(5))
def test_clustered_variance_is_obuchowskis(seed: int) -> None:
    generator = np.random.default_rng(seed)
    patients = generator.integers(0, 25, 80)
    labels = generator.integers(0, 2, 80)
    scores = generator.integers(0, 12, 80) + labels + generator.normal(size=25)[patients].round()
    judged = rows(labels, scores, patients)
    placed = placements(judged.labels, judged.scores)
    area, variance = by_hand(labels, scores, patients)
    assert placed.auroc == pytest.approx(area)
    assert auroc_variance(judged, placed) == pytest.approx(variance)


def test_covariance_between_models_is_delongs() -> None:
    generator = np.random.default_rng(3)
    labels = generator.random(60) < 0.4
    scores = [generator.normal(size=60) + labels for _ in range(2)]
    placed = [placements(labels, s) for s in scores]
    expected = np.cov(*(p.values[labels] for p in placed)) / labels.sum()
    expected = expected + np.cov(*(p.values[~labels] for p in placed)) / (~labels).sum()
    np.testing.assert_allclose(auroc_covariance(rows(labels, scores[0]), placed), expected)


labelled = st.integers(4, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.bool_, n).filter(lambda y: 0 < y.sum() < len(y)),
        hnp.arrays(np.float64, n, elements=st.integers(-20, 20).map(float)),
    )
)


@given(labelled)
def test_auroc_agrees_with_scikit_learn_and_its_laws(
    data: tuple[NDArray[np.bool_], Floats],
) -> None:
    labels, scores = data
    area = placements(labels, scores).auroc
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert placements(labels, np.exp(scores / 7)).auroc == pytest.approx(area)
    assert placements(labels, -scores).auroc == pytest.approx(1 - area)
    assert placements(~labels, scores).auroc == pytest.approx(1 - area)


@given(labelled, st.integers(2, 5))
def test_copies_of_images_change_nothing_for_their_patients(
    data: tuple[NDArray[np.bool_], Floats], copies: int
) -> None:
    labels, scores = data
    once = rows(labels, scores)
    many = rows(
        np.tile(labels, copies), np.tile(scores, copies), np.tile(np.arange(len(labels)), copies)
    )
    variances = [auroc_variance(r, placements(r.labels, r.scores)) for r in (once, many)]
    if np.isfinite(variances[0]):
        assert variances[1] == pytest.approx(variances[0], abs=1e-12)


def test_the_interval_says_whether_patients_were_allowed_for() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.random(50) < 0.4, 4)
    scores = labels + np.repeat(generator.normal(size=50), 4)
    alone = auroc(rows(labels, scores))
    clustered = auroc(rows(labels, scores, np.repeat(np.arange(50), 4)))
    assert alone.value == clustered.value
    assert "Obuchowski" in clustered.method
    assert "Obuchowski" not in alone.method
    assert clustered.lower < alone.lower < alone.value < alone.upper < clustered.upper


def test_a_perfect_ranking_is_not_certain() -> None:
    found = auroc(rows([0] * 20 + [1] * 10, range(30)))
    assert (found.value, found.upper) == (1.0, 1.0)
    assert 0.8 < found.lower < 1.0
    assert "Newcombe" in found.method


def test_a_constant_score_tells_nothing() -> None:
    found = auroc(rows([0] * 20 + [1] * 20, np.ones(40)))
    assert found.value == 0.5
    assert found.lower < 0.4 < 0.6 < found.upper


def test_newcombe_solves_its_equation() -> None:
    # Both limits satisfy |area - t| = z sd(t) with Hanley and McNeil's modified variance.
    m, n, area, z = 12, 30, 0.83, 1.959964
    found = newcombe(area, m, n)
    for t in (found.lower, found.upper):
        q = t * (1 - t) * (1 + ((m + n) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)
        assert abs(area - t) == pytest.approx(z * np.sqrt(q), rel=1e-5)


def test_one_class_has_no_auroc() -> None:
    found = auroc(rows([1, 1, 1], [0.1, 0.2, 0.3]))
    assert found.value is None
    assert "only one class" in found.method
    with pytest.raises(ValueError, match="both classes"):
        placements(np.array([True, True]), np.array([1.0, 2.0]))


def test_one_patient_with_a_fracture_still_gets_an_interval() -> None:
    found = auroc(rows([1, 0, 0, 0], [0.5, 0.2, 0.3, 0.9]))
    assert found.value == pytest.approx(2 / 3)
    assert 0 < found.lower < 0.5
    assert 0.9 < found.upper <= 1
