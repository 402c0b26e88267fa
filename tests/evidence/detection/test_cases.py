"""Which images are shown: by the stated rule, counted out by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from greenstick.evidence.detection import BoxRows, PredictedBoxes, TrueBoxes, given_confidence
from greenstick.evidence.detection.cases import confidence_of_pictures, pick_cases

Draw = Callable[..., BoxRows]


def one_each(shifts: list[float], clear: list[float]) -> BoxRows:
    """Images with a box of 100 px, predicted so many px aside; and clear ones with a score."""
    n, m = len(shifts), len(clear)
    truth = TrueBoxes(
        np.arange(n),
        np.zeros(n, int),
        np.tile([0.0, 0, 100, 100], (n, 1)),
        np.full(n, 1e4),
        np.zeros(n, bool),
    )
    found = PredictedBoxes(
        np.arange(n + m),
        np.zeros(n + m, int),
        np.array([[shift, 0.0, 100, 100] for shift in [*shifts, *[0.0] * m]]).reshape(-1, 4),
        np.array([0.9] * n + clear),
    )
    names = tuple(f"{i:02d}.png" for i in range(n + m))
    return BoxRows(names, np.arange(n + m), ("fracture",), truth, found)


def test_worst_middle_and_best_are_in_order_of_f1_and_then_overlap() -> None:
    rows = one_each([0, 30, 60, 90, 10, 20, 300], [0.2, 0.8, 0.6])
    cases = pick_cases(rows, 0.5, each=2)
    shown = {
        kind: [c.image for c in cases if c.kind == kind] for kind in ("worst", "median", "best")
    }
    assert shown == {"worst": [6, 3], "median": [2, 1], "best": [0, 4]}
    assert [c.image for c in cases if c.kind == "false alarm"] == [8, 9]
    best = next(c for c in cases if c.kind == "best")
    assert (best.found, best.missed, best.false, best.overlap) == (1, 0, 0, pytest.approx(1.0))
    worst = cases[0]
    assert (worst.found, worst.missed, worst.false, worst.overlap) == (0, 1, 1, 0.0)


@pytest.mark.parametrize("fractured", [0, 1, 2, 3, 5])
def test_few_images_are_shown_once_each(fractured: int) -> None:
    cases = pick_cases(one_each([10.0 * i for i in range(fractured)], []), None, each=4)
    assert len({case.image for case in cases}) == len(cases) == fractured


def test_pictures_show_boxes_from_the_confidence_or_from_that_of_best_f1(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(1)
    assert confidence_of_pictures(rows, given_confidence(0.7)) == 0.7
    assert 0 < (confidence_of_pictures(rows, None) or 0) < 1
    assert confidence_of_pictures(drawn_boxes(1, most=0), None) is None
