"""The operating confidence, and what boxes are worth there."""

from collections.abc import Callable

import numpy as np
import pytest

from greenstick.errors import GreenstickError
from greenstick.evidence.detection import (
    BoxRows,
    PredictedBoxes,
    TrueBoxes,
    choose_confidence,
    given_confidence,
)
from greenstick.evidence.detection.at_confidence import (
    F1,
    FALSE,
    WeighedCounts,
    confusion,
    shares,
)
from greenstick.evidence.detection.matching import match

Draw = Callable[..., BoxRows]


def counts_at(rows: BoxRows, threshold: float) -> tuple[int, int, int]:
    shown = match(rows.surer(threshold), (0.5,))
    hits = int(shown.hits[0].sum())
    return hits, int((~shown.hits[0] & ~shown.ignored[0]).sum()), int(shown.wanted.sum())


def f1_at(rows: BoxRows, threshold: float) -> float:
    tp, fp, lesions = counts_at(rows, threshold)
    return 2 * tp / (tp + fp + lesions)


def test_f1_is_the_greatest_there_is(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(1)
    chosen = choose_confidence(rows, chosen_on="valid")
    best = max(f1_at(rows, score) for score in rows.predictions.scores)
    assert f1_at(rows, chosen.threshold) == pytest.approx(best)
    assert chosen.threshold not in rows.predictions.scores
    assert (chosen.rule, chosen.chosen_on, chosen.n_images) == ("f1", "valid", 30)


def test_false_positives_and_sensitivity_reach_their_targets(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(2)
    few = choose_confidence(rows, rule="false-positives", target=0.5, chosen_on="valid").threshold
    below = rows.predictions.scores[rows.predictions.scores < few].max()
    assert counts_at(rows, few)[1] <= 15 < counts_at(rows, below)[1]
    most = choose_confidence(rows, rule="sensitivity", target=0.6, chosen_on="valid").threshold
    above = rows.predictions.scores[rows.predictions.scores > most]
    lesions = counts_at(rows, most)[2]
    assert counts_at(rows, most)[0] >= 0.6 * lesions
    assert counts_at(rows, np.nextafter(above.min(), 2))[0] < 0.6 * lesions


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"rule": "best"}, "no rule 'best'"),
        ({"rule": "sensitivity"}, "needs a target"),
        ({"target": 0.5}, "takes no target"),
        ({"rule": "sensitivity", "target": 1.5}, "cannot be asked"),
        ({"rule": "sensitivity", "target": 1.0}, "No confidence reaches sensitivity"),
        ({"rule": "false-positives", "target": 1e-6}, "No confidence reaches false positives"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    how: dict[str, object], said: str, drawn_boxes: Draw
) -> None:
    with pytest.raises(GreenstickError, match=said):
        choose_confidence(drawn_boxes(2, false=30.0), chosen_on="valid", **how)


def test_nothing_to_choose_on_is_refused(drawn_boxes: Draw) -> None:
    with pytest.raises(GreenstickError, match="without true and predicted boxes"):
        choose_confidence(drawn_boxes(2, most=0), chosen_on="valid")


def test_shares_and_f1_agree_with_counts(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(3, images_per_patient=2)
    point = given_confidence(0.5)
    tp, fp, lesions = counts_at(rows, 0.5)
    precision, recall, sensitivity, specificity = shares(rows, point, 0.95)
    assert precision.value == pytest.approx(tp / (tp + fp))
    assert recall.value == pytest.approx(tp / lesions)
    assert recall.lower < recall.value < recall.upper
    called = np.isin(np.arange(30), rows.surer(0.5).predictions.images)
    assert sensitivity.value == pytest.approx(called[rows.fractured].mean())
    assert specificity.value == pytest.approx(1 - called[~rows.fractured].mean())
    counted = WeighedCounts(rows, point)(np.ones((1, 15), dtype=np.int64))
    assert counted[F1][0] == pytest.approx(f1_at(rows, 0.5))
    assert counted[FALSE][0] == pytest.approx(fp / 30)


def test_nothing_shown_gives_no_precision(drawn_boxes: Draw) -> None:
    precision, recall, *_ = shares(drawn_boxes(3), given_confidence(2.0), 0.95)
    assert (precision.value, recall.value) == (None, 0.0)


def test_confusion_counts_classes_and_nothing() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10], [80, 0, 10, 10]])
    rows = BoxRows(
        ("a",),
        np.zeros(1, np.int64),
        ("hand", "hip"),
        TrueBoxes(
            np.zeros(3, np.int64), np.array([0, 0, 1]), boxes, np.full(3, 100.0), np.zeros(3, bool)
        ),
        PredictedBoxes(
            np.zeros(3, np.int64),
            np.array([0, 1, 1]),
            np.array([boxes[0], boxes[1], [30.0, 30, 9, 9]]),
            np.array([0.9, 0.8, 0.7]),
        ),
    )
    table = confusion(rows, given_confidence(0.5))
    assert table.classes == ["hand", "hip", "nothing"]
    assert table.counts == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]
    surer = confusion(rows, given_confidence(0.85))
    assert surer.counts == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]
