"""FROC against its definition, one confidence after another."""

from collections.abc import Callable

import numpy as np
import pytest

from greenstick.evidence.detection import BoxRows, PredictedBoxes, TrueBoxes
from greenstick.evidence.detection.froc import GRID, MEAN, RATES, rate_name, weighed_froc
from greenstick.evidence.detection.matching import match

Draw = Callable[..., BoxRows]


def once(rows: BoxRows, iou: float = 0.5) -> dict[str, np.ndarray]:
    named = weighed_froc(rows, iou)(np.ones((1, rows.n_patients), dtype=np.int64))
    return {name: values[0] for name, values in named.items()}


def by_definition(rows: BoxRows, rate: float) -> float:
    """Try each score as the confidence: the best sensitivity with no more false positives."""
    best = 0.0
    for threshold in np.unique(rows.predictions.scores):
        shown = match(rows.surer(threshold), (0.5,))
        false = (~shown.hits[0] & ~shown.ignored[0]).sum()
        if false / len(rows) <= rate:
            best = max(best, shown.hits[0].sum() / shown.wanted.sum())
    return best


@pytest.mark.parametrize("settings", [{}, {"score_steps": 5}, {"crowd_share": 0.3}, {"false": 0.1}])
def test_sensitivity_at_each_rate_is_its_definition(
    settings: dict[str, float], drawn_boxes: Draw
) -> None:
    rows = drawn_boxes(3, images=15, **settings)
    named = once(rows)
    expected = [by_definition(rows, rate) for rate in RATES]
    assert [named[rate_name(rate)] for rate in RATES] == pytest.approx(expected)
    assert named[MEAN] == pytest.approx(np.mean(expected))
    assert named["froc"][0] == pytest.approx(by_definition(rows, GRID[0]))
    assert named["froc"][-1] == named[rate_name(8.0)]


def test_a_second_box_on_the_same_fracture_is_false() -> None:
    box = [10.0, 10, 20, 20]
    rows = BoxRows(
        ("a", "b"),
        np.arange(2),
        ("fracture",),
        TrueBoxes(
            np.array([0]), np.array([0]), np.array([box]), np.array([400.0]), np.array([False])
        ),
        PredictedBoxes(
            np.array([0, 0]), np.zeros(2, np.int64), np.array([box, box]), np.array([0.9, 0.8])
        ),
    )
    matches = match(rows, (0.5,))
    assert matches.hits.tolist() == [[True, False]]
    assert once(rows)[rate_name(1 / 8)] == 1.0


def test_weights_are_patients_drawn_again(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(4, images=10)
    froc = weighed_froc(rows, 0.5)
    twice = froc(np.full((1, 10), 2))
    assert {name: v[0].tolist() for name, v in twice.items()} == {
        name: v.tolist() for name, v in once(rows).items()
    }
    only = np.zeros((1, 10), dtype=np.int64)
    only[0, int(np.flatnonzero(~rows.fractured)[0])] = 1
    assert np.isnan(froc(only)[MEAN]).all()


def test_names_are_fractions() -> None:
    assert rate_name(1 / 8) == "sensitivity at 1/8 FP an image"
    assert rate_name(2.0) == "sensitivity at 2 FP an image"
