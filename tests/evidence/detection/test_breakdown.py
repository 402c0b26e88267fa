"""Figures by class, size and column, each against a count of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from greenstick.errors import GreenstickError
from greenstick.evidence.detection import (
    BoxRows,
    PredictedBoxes,
    TrueBoxes,
    given_confidence,
    judge_boxes,
    read_detection,
    write_detection,
)

Draw = Callable[..., BoxRows]


@pytest.fixture
def by_hand() -> BoxRows:
    """Four images, two of them hands: a small and a large fracture found, a medium one missed."""
    truth = TrueBoxes(
        images=np.array([0, 0, 1]),
        classes=np.array([0, 0, 0]),
        xywh=np.array([[10.0, 10, 20, 20], [100, 100, 200, 200], [50, 50, 60, 60]]),
        areas=np.array([400.0, 40000, 3600]),
        crowds=np.zeros(3, bool),
    )
    found = PredictedBoxes(
        images=np.array([0, 0, 1, 2]),
        classes=np.zeros(4, int),
        xywh=np.array(
            [[10.0, 10, 20, 20], [100, 100, 200, 190], [300, 300, 20, 20], [0, 0, 50, 50]]
        ),
        scores=np.array([0.9, 0.8, 0.7, 0.6]),
    )
    return BoxRows(tuple("abcd"), np.arange(4), ("fracture",), truth, found)


def test_each_size_has_its_boxes_and_its_false_ones(by_hand: BoxRows) -> None:
    evidence = judge_boxes(by_hand, rows="test", confidence=given_confidence(0.5), replicates=0)
    said = {
        size.name: (
            size.n_boxes,
            *(e.value for e in size.estimates if e.name in ("precision", "recall")),
        )
        for size in evidence.by_size
    }
    # The false box of 20 px counts against small ones, that of 50 px against medium ones.
    assert said == {"small": (1, 0.5, 1.0), "medium": (1, 0.0, 0.0), "large": (1, 1.0, 1.0)}
    assert evidence.by_size[0].estimates[0].name == "mAP@0.5"
    assert evidence.by_size[0].estimates[0].value == pytest.approx(1.0)


def test_a_column_divides_images_and_counts_what_was_found(by_hand: BoxRows) -> None:
    columns = {"body_part": ["hand", "leg", "hand", None]}
    evidence = judge_boxes(
        by_hand, rows="test", confidence=given_confidence(0.5), columns=columns, replicates=0
    )
    hand, leg = evidence.subgroups
    assert (hand.value, hand.n_images, hand.n_boxes) == ("hand", 2, 2)
    assert (hand.n_found, hand.n_missed, hand.n_false) == (2, 0, 1)
    assert (leg.n_found, leg.n_missed, leg.n_false) == (0, 1, 1)
    assert hand.too_small
    said = [f.message for f in evidence.findings if f.code == "subgroup-too-small"]
    assert said == ["Too small to say anything: body_part hand, body_part leg."]


def test_a_subgroup_is_judged_as_if_it_were_alone(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(8, images=60, images_per_patient=2)
    site = ["a" if i % 3 else "b" for i in range(60)]
    point = given_confidence(0.4)
    judged = judge_boxes(rows, rows="test", confidence=point, columns={"site": site}, replicates=50)
    for group in judged.subgroups:
        inside = np.array([one == group.value for one in site])
        alone = judge_boxes(rows.of(inside), rows="test", confidence=point, replicates=50)
        for estimate in group.estimates:
            assert estimate == alone.estimate(estimate.name)
        assert group.n_found + group.n_missed == group.n_boxes == alone.n_boxes


def test_fractures_alone_make_no_subgroup_small_for_lack_of_others(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(1, images=100)
    rows = rows.of(rows.fractured)
    part = ["arm"] * 40 + ["toe"] * 3 + ["arm"] * (len(rows) - 43)
    judged = judge_boxes(rows, rows="test", columns={"part": part}, replicates=0)
    assert {one.value: one.too_small for one in judged.subgroups} == {"arm": False, "toe": True}
    assert judged.subgroups[0].n_found is None


def test_the_area_under_the_afroc_curve_is_the_figure_of_merit(drawn_boxes: Draw) -> None:
    judged = judge_boxes(drawn_boxes(2, images=80, false=0.7), rows="test", replicates=50)
    curve = judged.afroc_curve
    area = np.trapezoid(curve.y, curve.x)
    assert area == pytest.approx(judged.estimate("AFROC").value, abs=0.01)
    assert all(
        low <= y <= high for low, y, high in zip(curve.lower, curve.y, curve.upper, strict=True)
    )


def test_validation_images_are_judged_beside_others_with_a_note(drawn_boxes: Draw) -> None:
    rows, point = drawn_boxes(3), given_confidence(0.3)
    judged = judge_boxes(rows, rows="valid", confidence=point, chosen_here=True, replicates=0)
    assert {"confidence-chosen-here": "note"}.items() <= {
        f.code: str(f.severity) for f in judged.findings
    }.items()


def test_what_was_written_is_read_again(by_hand: BoxRows, tmp_path: Path) -> None:
    evidence = judge_boxes(by_hand, rows="test", columns={"part": list("xxyy")}, replicates=0)
    write_detection(evidence, tmp_path / "detection.json")
    assert read_detection(tmp_path / "detection.json") == evidence
    (tmp_path / "detection.json").write_text("{}")
    with pytest.raises(GreenstickError, match="no evidence on boxes of version 1"):
        read_detection(tmp_path / "detection.json")
