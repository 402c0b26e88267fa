from collections import Counter

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from greenstick.evidence.multiclass import evaluate_classes, write_class_evidence
from greenstick.reports.any_page import write_any_page

CLASSES = ["none", "simple", "wedge"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 150, p=[0.5, 0.3, 0.2])
    logits = rng.normal(0, 1, (150, 3)) + 1.5 * np.eye(3)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pl.DataFrame(
        {
            "image": [f"i{i}" for i in range(150)],
            "patient": [f"SECRET{i}" for i in range(150)],
            "label": [CLASSES[t] for t in truth],
            **{f"score_{name}": scores[:, i] for i, name in enumerate(CLASSES)},
        }
    )
    write_class_evidence(
        evaluate_classes(table, rows="test", replicates=20), folder / "classes.json"
    )
    return truth, scores, write_any_page(folder).read_text(encoding="utf-8")


def test_the_heat_map_is_scikit_learns_confusion_matrix(shown):
    truth, scores, html = shown
    counts = confusion_matrix(truth, scores.argmax(axis=1))
    for i, name in enumerate(CLASSES):
        assert f"{name}: {counts[i, i]} of {counts[i].sum()} right" in html
    drawn = html[html.index('aria-label="Confusion matrix') :]
    drawn = drawn[: drawn.index("</svg>")]
    texts = [part.split("<")[0] for part in drawn.split(">") if part.split("<")[0].isdigit()]
    assert not Counter(str(n) for n in counts.ravel()) - Counter(texts)


def test_each_class_and_the_macro_figure_are_shown(shown):
    truth, scores, html = shown
    areas = [roc_auc_score(truth == i, scores[:, i]) for i in range(3)]
    for area in areas:
        assert f"{area:.3f}<br>" in html
    assert f"{np.mean(areas):.3f}" in html
    assert "AUROC macro" in html
    assert "just one holds of an image" in html
    assert "SECRET" not in html
    assert "Research use only" in html


def test_labels_that_may_hold_together_have_no_heat_map(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (80, 2))
    table = pl.DataFrame(
        {
            "image": [f"i{i}" for i in range(80)],
            **{f"label_{n}": labels[:, i] for i, n in enumerate("ab")},
            **{
                f"score_{n}": 1 / (1 + np.exp(-rng.normal(2 * labels[:, i] - 1, 1)))
                for i, n in enumerate("ab")
            },
        }
    )
    evidence = evaluate_classes(table, rows="test", replicates=20)
    write_class_evidence(evidence, tmp_path / "classes.json")
    html = write_any_page(tmp_path).read_text(encoding="utf-8")
    assert "any may hold" in html
    assert "Confusion matrix" not in html
