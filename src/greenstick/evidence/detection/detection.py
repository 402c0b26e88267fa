"""The evidence for a detector: every figure that true and predicted boxes give."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.evidence.detection.at_confidence import (
    F1,
    FALSE,
    BoxConfusion,
    confusion,
    precision_and_recall,
    shares,
)
from greenstick.evidence.detection.average_precision import (
    RECALLS,
)
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.checks import check_boxes, check_confidence
from greenstick.evidence.detection.confidence import Confidence
from greenstick.evidence.detection.froc import GRID, MEAN, RATES, rate_name
from greenstick.evidence.detection.matching import match
from greenstick.evidence.detection.ratings import rankings
from greenstick.evidence.detection.resampled import Drawn
from greenstick.evidence.estimates import Curve, Estimate, Record, named
from greenstick.evidence.record_files import write_record
from greenstick.findings import Finding

SCHEMA_VERSION = "1"


class ClassEvidence(Record):
    """The figures of one class: AP, and precision and recall at the confidence."""

    name: str
    n_boxes: int
    estimates: list[Estimate]


class DetectionEvidence(Record):
    """What ``detection.json`` holds.

    Attributes
    ----------
    schema_version
        Grows when a field changes its meaning.
    research_use
        The sentence that every output carries.
    model, rows
        Whose boxes they are, and what the judged images are called.
    n_images, n_patients, n_fractured
        Images, patients, and images with a true box.
    n_boxes, n_predictions
        True boxes (crowds not counted), and predicted ones.
    iou
        Overlap from which a box counts as found, in everything but mAP over several.
    average_precision
        ``mAP@0.5``, ``mAP@0.75``, ``mAP@0.5:0.95`` (also small, medium, large), ``mean recall``.
    rankings
        ``image AUROC``, ``AFROC``, ``AFROC1``.
    froc
        Sensitivity at 1/8 to 8 false positives an image, and their mean.
    confidence, at_confidence, confusion
        The operating confidence; ``precision``, ``recall``, ``F1``, ``false positives an image``,
        ``image sensitivity``, ``image specificity``; and which class was taken for which. Empty
        where there is no confidence.
    by_class
        The same by class.
    froc_curve
        ``x``: false positives an image, ``y``: sensitivity.
    precision_recall
        At IoU 0.5, mean over classes; ``x``: recall, ``y``: precision as COCO reads it off.
    findings
        What was checked: ``ERROR`` where a number is untrue.
    """

    schema_version: str = SCHEMA_VERSION
    research_use: str = RESEARCH_USE
    model: str = ""
    rows: str
    n_images: int
    n_patients: int
    n_fractured: int
    n_boxes: int
    n_predictions: int
    iou: float
    average_precision: list[Estimate]
    rankings: list[Estimate]
    froc: list[Estimate]
    confidence: Confidence | None = None
    at_confidence: list[Estimate] = Field(default_factory=list)
    confusion: BoxConfusion | None = None
    by_class: list[ClassEvidence]
    froc_curve: Curve
    precision_recall: Curve
    findings: list[Finding] = Field(default_factory=list)

    def estimate(self, name: str) -> Estimate:
        """Return the estimate of this name, e.g. ``evidence.estimate("mAP@0.5")``."""
        everything = [
            *self.average_precision,
            *self.rankings,
            *self.froc,
            *self.at_confidence,
        ]
        return named(everything, name, where="evidence")


def judge_boxes(
    boxes: BoxRows,
    *,
    rows: str,
    model: str = "",
    iou: float = 0.5,
    confidence: Confidence | None = None,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
    findings: Sequence[Finding] = (),
) -> DetectionEvidence:
    """Judge a detector.

    Parameters
    ----------
    boxes
        Images with true and predicted boxes.
    rows
        Name of these images, e.g. ``"test"``.
    model
        Whose boxes they are.
    iou
        Overlap from which a box counts as found, for FROC, AFROC and at the confidence.
    confidence
        From which score on a box is shown, chosen on other images.
    seed, replicates
        For the bootstrap by patient.
    level
        Nominal coverage of every interval.
    findings
        What was found in the files; kept.

    Raises
    ------
    GreenstickError
        Where ``iou`` is not within 0 and 1.
    """
    if not 0 < iou <= 1:
        raise GreenstickError(f"An IoU of {iou:g} cannot be.", remedy="Give one above 0, up to 1.")
    drawn = Drawn(boxes, iou, confidence, seed=seed, replicates=replicates, level=level)
    return DetectionEvidence(
        rows=rows,
        model=model,
        n_images=len(boxes),
        n_patients=boxes.n_patients,
        n_fractured=int(boxes.fractured.sum()),
        n_boxes=int((~boxes.truth.crowds).sum()),
        n_predictions=len(boxes.predictions),
        iou=iou,
        average_precision=[drawn.estimate(name) for name in drawn.named("mAP", "mean recall")],
        rankings=rankings(boxes, iou, level),
        froc=[drawn.estimate(name) for name in (*map(rate_name, RATES), MEAN)],
        confidence=confidence,
        at_confidence=_at_confidence(boxes, confidence, drawn),
        confusion=confusion(boxes, confidence) if confidence else None,
        by_class=_by_class(boxes, confidence, drawn),
        froc_curve=drawn.curve("froc", GRID),
        precision_recall=drawn.curve("precision_recall", RECALLS),
        findings=[*findings, *check_boxes(boxes), check_confidence(boxes, rows, confidence)],
    )


def _at_confidence(boxes: BoxRows, confidence: Confidence | None, drawn: Drawn) -> list[Estimate]:
    if confidence is None:
        return []
    precision, recall, *images = shares(boxes, confidence, drawn.level)
    return [precision, recall, drawn.estimate(F1), drawn.estimate(FALSE), *images]


def _by_class(boxes: BoxRows, confidence: Confidence | None, drawn: Drawn) -> list[ClassEvidence]:
    judged = []
    for number, name in enumerate(boxes.classes):
        estimates = [drawn.estimate(f"{kind}, {name}", kind) for kind in ("AP@0.5", "AP@0.5:0.95")]
        if confidence is not None:
            shown = boxes.surer(confidence.threshold)
            alone = np.arange(len(boxes.classes)) == number
            matches = match(shown, (confidence.iou,))
            estimates += precision_and_recall(shown, matches, alone, drawn.level)
        wanted = (boxes.truth.classes == number) & ~boxes.truth.crowds
        judged.append(ClassEvidence(name=name, n_boxes=int(wanted.sum()), estimates=estimates))
    return judged


def write_detection(evidence: DetectionEvidence, path: Path | str) -> None:
    """Write ``detection.json``."""
    write_record(evidence, path)
