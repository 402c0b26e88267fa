"""The evidence for a detector: every figure that true and predicted boxes give."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import Field

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.evidence.detection.at_confidence import (
    F1,
    FALSE,
    BoxConfusion,
    confusion,
    shares,
)
from greenstick.evidence.detection.average_precision import CURVES, RECALLS, curve_name
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.breakdown import (
    BoxSubgroup,
    ClassEvidence,
    SizeEvidence,
    by_class,
    by_column,
    by_size,
    check_subgroups,
)
from greenstick.evidence.detection.checks import check_boxes, check_confidence
from greenstick.evidence.detection.confidence import Confidence
from greenstick.evidence.detection.froc import GRID, MEAN, RATES, rate_name
from greenstick.evidence.detection.ratings import afroc_curve, rankings
from greenstick.evidence.detection.resampled import Drawn
from greenstick.evidence.estimates import Curve, Estimate, Record, named
from greenstick.evidence.record_files import read_record, write_record
from greenstick.findings import Finding

DETECTION_VERSION = "1"


class CurveAtIou(Record):
    """A precision-recall curve, mean over classes; ``x``: recall, ``y``: precision.

    Precision is read off as COCO does: the greatest at that recall or a higher one.
    """

    iou: float
    curve: Curve


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
        ``mAP@0.5``, ``mAP@0.75``, ``mAP@0.5:0.95`` (also small, medium, large), ``mAP@0.3``,
        ``mean recall``.
    rankings
        ``image AUROC``, ``AFROC``, ``AFROC1``.
    froc
        Sensitivity at 1/8 to 8 false positives an image, and their mean.
    confidence, at_confidence, confusion
        The operating confidence; ``precision``, ``recall``, ``F1``, ``false positives an image``,
        ``image sensitivity``, ``image specificity``; and which class was taken for which. Empty
        where there is no confidence.
    by_class, by_size
        The same by class, and by the size of boxes.
    subgroups
        The same within each value of the columns that were asked for.
    froc_curve
        ``x``: false positives an image, ``y``: sensitivity.
    afroc_curve
        ``x``: share of images without a fracture that have a false positive, ``y``: sensitivity;
        of no points where every image has a true box.
    precision_recall
        At IoU 0.3, 0.5 and 0.75.
    findings
        What was checked: ``ERROR`` where a number is untrue.
    """

    schema_version: str = DETECTION_VERSION
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
    by_size: list[SizeEvidence]
    subgroups: list[BoxSubgroup] = Field(default_factory=list)
    froc_curve: Curve
    afroc_curve: Curve
    precision_recall: list[CurveAtIou]
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
    chosen_here: bool = False,
    columns: Mapping[str, Sequence[str | None]] | None = None,
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
    chosen_here
        These are the images that it was chosen on, judged to be set beside others: a note then
        says that what it gives here is apparent, where else an error would.
    columns
        Name to one value an image, to judge within each value; None belongs to no subgroup.
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
    draw = partial(
        Drawn, iou=iou, confidence=confidence, seed=seed, replicates=replicates, level=level
    )
    drawn, subgroups = draw(boxes), by_column(boxes, columns or {}, draw)
    curves = [CurveAtIou(iou=at, curve=drawn.curve(curve_name(at), RECALLS)) for at in CURVES]
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
        by_class=by_class(boxes, confidence, drawn),
        by_size=by_size(boxes, confidence, drawn),
        subgroups=subgroups,
        froc_curve=drawn.curve("froc", GRID),
        afroc_curve=afroc_curve(boxes, iou, seed=seed, replicates=replicates, level=level),
        precision_recall=curves,
        findings=[
            *findings,
            *check_boxes(boxes),
            check_confidence(boxes, rows, confidence, chosen_here=chosen_here),
            *check_subgroups(subgroups),
        ],
    )


def _at_confidence(boxes: BoxRows, confidence: Confidence | None, drawn: Drawn) -> list[Estimate]:
    if confidence is None:
        return []
    precision, recall, *images = shares(boxes, confidence, drawn.level)
    return [precision, recall, drawn.estimate(F1), drawn.estimate(FALSE), *images]


def write_detection(evidence: DetectionEvidence, path: Path | str) -> None:
    """Write ``detection.json``."""
    write_record(evidence, path)


def read_detection(path: Path | str) -> DetectionEvidence:
    """Read ``detection.json``.

    Raises
    ------
    GreenstickError
        Where it is missing or no evidence of this version.
    """
    return read_record(
        DetectionEvidence,
        path,
        what=f"evidence on boxes of version {DETECTION_VERSION}",
        make="Judge boxes first: greenstick evaluate boxes.",
        again="Judge the boxes again with this version of Greenstick.",
    )
