"""All figures of a detector together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import (
    BoxRows,
    DetectionEvidence,
    choose_confidence,
    given_confidence,
    judge_boxes,
    write_detection,
)

Draw = Callable[..., BoxRows]


def codes(evidence: DetectionEvidence) -> set[str]:
    return {finding.code for finding in evidence.findings}


def test_every_figure_has_its_interval_and_can_be_written(
    drawn_boxes: Draw, tmp_path: Path
) -> None:
    valid, test = drawn_boxes(1, images=60), drawn_boxes(2, images=60)
    point = choose_confidence(valid, chosen_on="valid")
    evidence = judge_boxes(test, rows="test", model="drawn", confidence=point, replicates=200)
    for estimate in [*evidence.average_precision, *evidence.froc, *evidence.at_confidence]:
        assert estimate.lower <= estimate.value <= estimate.upper
    assert [e.name for e in evidence.at_confidence][:4] == [
        "precision",
        "recall",
        "F1",
        "false positives an image",
    ]
    assert [kind.name for kind in evidence.by_class] == ["class 0", "class 1"]
    mean = sum(kind.estimates[0].value for kind in evidence.by_class) / 2
    assert evidence.estimate("mAP@0.5").value == pytest.approx(mean)
    assert sum(kind.n_boxes for kind in evidence.by_class) == evidence.n_boxes
    assert len(evidence.froc_curve.x) == len(evidence.froc_curve.upper)
    assert "confidence-from-elsewhere" in codes(evidence)
    write_detection(evidence, tmp_path / "detection.json")
    text = (tmp_path / "detection.json").read_text(encoding="utf-8")
    assert DetectionEvidence.model_validate_json(text) == evidence
    assert RESEARCH_USE in text


def test_the_same_seed_gives_the_same_limits(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(3)
    first, again, other = (
        judge_boxes(rows, rows="test", replicates=100, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.average_precision[0].lower != other.average_precision[0].lower


def test_images_of_one_patient_widen_the_interval(drawn_boxes: Draw) -> None:
    def width(per_patient: int) -> float:
        rows = drawn_boxes(4, images=80, images_per_patient=per_patient)
        found = judge_boxes(rows, rows="test", replicates=400).estimate("mAP@0.5")
        return found.upper - found.lower

    assert width(20) > width(1)


def test_a_confidence_chosen_on_the_judged_images_is_found_out(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(5)
    point = choose_confidence(rows, chosen_on="another name")
    evidence = judge_boxes(rows, rows="test", confidence=point, replicates=0)
    assert "confidence-chosen-on-evaluated-rows" in codes(evidence)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"most": 0}, "no-true-boxes"),
        ({"missed": 1.0, "false": 0.0}, "no-predictions"),
        ({"images": 3, "most": 8}, "no-image-without-fracture"),
    ],
)
def test_what_cannot_be_estimated_is_said(
    settings: dict[str, float], code: str, drawn_boxes: Draw
) -> None:
    evidence = judge_boxes(
        drawn_boxes(1, **settings), rows="test", confidence=given_confidence(0.5), replicates=50
    )
    assert code in codes(evidence)
    if code == "no-true-boxes":
        assert evidence.estimate("mAP@0.5").value is None
        assert evidence.froc_curve.x == []
    if code == "no-predictions":
        assert evidence.estimate("mAP@0.5").value == 0.0


def test_boxes_cut_at_a_score_are_told(drawn_boxes: Draw) -> None:
    evidence = judge_boxes(drawn_boxes(1).surer(0.3), rows="test", replicates=0)
    assert "predictions-cut" in codes(evidence)
    assert evidence.estimate("mAP@0.5").lower is None


def test_an_unknown_figure_and_an_impossible_overlap_are_refused(drawn_boxes: Draw) -> None:
    with pytest.raises(GreenstickError, match="holds no 'mAP'"):
        judge_boxes(drawn_boxes(1), rows="test", replicates=0).estimate("mAP")
    with pytest.raises(GreenstickError, match="An IoU of 50"):
        judge_boxes(drawn_boxes(1), rows="test", iou=50)
