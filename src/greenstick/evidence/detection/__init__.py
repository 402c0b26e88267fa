"""The evidence for a detector: boxes against boxes, from tables alone."""

from greenstick.evidence.detection.boxes import BoxRows, PredictedBoxes, TrueBoxes
from greenstick.evidence.detection.confidence import (
    Confidence,
    choose_confidence,
    given_confidence,
)
from greenstick.evidence.detection.detection import (
    DetectionEvidence,
    judge_boxes,
    read_detection,
    write_detection,
)
from greenstick.evidence.detection.files import ReadBoxes, read_boxes, settle_confidence
from greenstick.evidence.detection.predictions import read_predictions
from greenstick.evidence.detection.truth import read_truth

__all__ = [
    "BoxRows",
    "Confidence",
    "DetectionEvidence",
    "PredictedBoxes",
    "ReadBoxes",
    "TrueBoxes",
    "choose_confidence",
    "given_confidence",
    "judge_boxes",
    "read_boxes",
    "read_detection",
    "read_predictions",
    "read_truth",
    "settle_confidence",
    "write_detection",
]
