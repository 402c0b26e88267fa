from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from greenstick.errors import GreenstickError
from greenstick.models.card import Card, CardCalibration, CardOperatingPoint
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.judge import Judge
from greenstick.reading.runtime import Output


def card(*points: tuple[float, str], **settings: Any) -> Card:
    return Card(
        name="m",
        classifier=ClassifierSettings(weights="none", **settings),
        canvas_px=64,
        calibration=CardCalibration(temperature=2.0, fitted_on="valid", n=50),
        operating_points=tuple(
            CardOperatingPoint(threshold=at, rule=rule, chosen_on="valid", n=50)
            for at, rule in points
        ),
    )


@pytest.mark.parametrize(
    ("value", "decision"), [(-4.0, "no fracture"), (0.0, "doubt"), (4.0, "fracture")]
)
def test_two_thresholds_leave_doubt_between_them(value: float, decision: str) -> None:
    judge = Judge(card((0.2, "sensitivity"), (0.8, "specificity")))
    assert judge.judge(value, None).decision == decision


def test_thresholds_that_cross_leave_no_doubt() -> None:
    judge = Judge(card((0.6, "sensitivity"), (0.4, "specificity")))
    assert {judge.judge(value, None).decision for value in np.linspace(-9, 9, 50)} == {
        "fracture", "no fracture",
    }  # fmt: skip


def test_the_spread_gives_an_interval_at_the_temperature() -> None:
    judged = Judge(card((0.5, "youden"))).judge(1.0, 0.6)
    assert judged.probability == pytest.approx(expit(0.5))
    assert (judged.low, judged.high) == (pytest.approx(expit(0.2)), pytest.approx(expit(0.8)))
    assert Judge(card()).judge(1.0, None).low is None
    assert Judge(card()).judge(1.0, None).decision is None


def test_of_several_classes_any_or_one_may_hold() -> None:
    classes = ("implant", "fracture")
    logits = np.array([[2.0, 1.0]], np.float32)
    output = Output(logits, np.zeros((1, 2, 3, 3), np.float32), np.array([[0.1, 0.3]]))
    any_of, _, spread = Judge(card(classes=classes, outputs="any-of")).of_one(output)
    assert (any_of, spread) == (pytest.approx(1.0), pytest.approx(0.3))
    one_of, _, _ = Judge(card(classes=classes)).of_one(output)
    shares = np.exp(logits[0] / 2.0)
    assert expit(one_of / 2.0) == pytest.approx(shares[1] / shares.sum(), abs=1e-6)


TYPES = ("greenstick", "spiral", "torus")


def typed(*logits: float) -> Output:
    maps = np.broadcast_to(np.float32(logits)[None, :, None, None], (1, len(logits), 2, 2))
    return Output(np.float32([logits]), maps)


def test_types_of_which_any_may_hold_tell_a_fracture_by_the_likeliest() -> None:
    temperatures = CardCalibration(temperatures=(2.0, 1.0, 4.0), fitted_on="valid", n=50)
    points = tuple(
        CardOperatingPoint(threshold=at, class_name=name, rule="youden", chosen_on="valid", n=50)
        for name, at in zip(TYPES, (0.9, 0.2, 0.9), strict=True)
    )
    mine = card(classes=TYPES, outputs="any-of").model_copy(
        update={"calibration": temperatures, "operating_points": points}
    )
    judge = Judge(mine)
    for logits, decision in (((3.0, -2.0, 1.0), "no fracture"), ((-1.0, -1.0, -9.0), "fracture")):
        value, cells, _ = judge.of_one(typed(*logits))
        classes = judge.of_classes(typed(*logits))
        expected = expit(np.array(logits) / (2.0, 1.0, 4.0))
        assert [found.name for found in classes] == list(TYPES)
        assert [c.probability for c in classes] == pytest.approx(expected, abs=1e-6)
        judged = judge.judge(value, None, classes=classes)
        assert judged.probability == pytest.approx(expected.max(), abs=1e-6)
        assert expit(cells[0, 0]) == pytest.approx(expected.max(), abs=1e-6)
        assert judged.decision == decision  # by each type's own threshold


def test_the_absence_of_a_fracture_tells_one() -> None:
    judge = Judge(card((0.5, "youden"), classes=("no fracture", "spiral", "torus")))
    value, _, _ = judge.of_one(typed(0.0, 2.0, 2.0))
    none = 1.0 / (1.0 + 2.0 * np.exp(1.0))
    assert judge.judge(value, None).probability == pytest.approx(1.0 - none, abs=1e-6)
    assert sum(c.probability for c in judge.of_classes(typed(0.0, 2.0, 2.0))) == pytest.approx(1.0)


def test_types_of_which_one_always_holds_cannot_tell_whether_there_is_a_fracture() -> None:
    with pytest.raises(GreenstickError, match="not whether there is one"):
        Judge(card(classes=TYPES))


def test_a_mirrored_view_is_turned_back() -> None:
    maps = np.zeros((2, 1, 1, 4), np.float32)
    maps[0, 0, 0, 0] = maps[1, 0, 0, 3] = 1.0
    _, cells, _ = Judge(card()).of_one(Output(np.zeros((2, 1), np.float32), maps))
    np.testing.assert_array_equal(cells, [[1.0, 0.0, 0.0, 0.0]])
