import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from greenstick.training.ranking import auroc, mean_auroc


def test_auroc_equals_scikit_learns_ties_included():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(0, 2, 50)
        scores = rng.integers(0, 12, 50).astype(np.float32)
        assert auroc(labels == 1, scores) == pytest.approx(roc_auc_score(labels, scores))
        assert mean_auroc(labels, scores[:, None]) == pytest.approx(roc_auc_score(labels, scores))


def test_several_classes_are_each_ranked_against_the_rest():
    rng = np.random.default_rng(1)
    labels, logits = rng.integers(0, 3, 60), rng.normal(size=(60, 4))
    each = [roc_auc_score(labels == c, logits[:, c]) for c in range(3)]
    assert mean_auroc(labels, logits) == pytest.approx(np.mean(each))  # the fourth is absent


def test_one_side_alone_has_no_rank():
    assert np.isnan(auroc(np.ones(3, dtype=bool), np.arange(3.0)))
    assert np.isnan(mean_auroc(np.zeros(3, dtype=np.int64), np.zeros((3, 1))))
