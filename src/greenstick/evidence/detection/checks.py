"""What would make a detector's numbers untrue, or would let a reader believe too much of them."""

from greenstick.decision.provenance import ChosenOn
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.confidence import Confidence
from greenstick.evidence.detection.ratings import image_rows
from greenstick.evidence.leaks import leaked
from greenstick.findings import Finding, Severity

#: A detector that writes no box below this score has cut its list.
LEAST_SCORE = 0.1


def check_boxes(boxes: BoxRows) -> list[Finding]:
    """Return what truth and predictions say about the numbers to come."""
    fractured = int(boxes.fractured.sum())
    findings = []
    if not fractured:
        findings.append(
            Finding(
                "no-true-boxes",
                Severity.WARNING,
                "No image has a true box: only false positives can be counted.",
                remedy="Judge images with fractures too.",
            )
        )
    elif fractured == len(boxes):
        findings.append(
            Finding(
                "no-image-without-fracture",
                Severity.WARNING,
                "Every image has a true box: no image AUROC and no AFROC can be computed, and "
                "false positives are counted on fractured images alone.",
                remedy="Add images without a fracture: most radiographs are such.",
            )
        )
    if not len(boxes.predictions):
        findings.append(
            Finding(
                "no-predictions",
                Severity.WARNING,
                "Nothing was predicted on any image.",
                remedy="Lower the confidence at which the detector writes boxes, e.g. to 0.001.",
            )
        )
    elif fractured and boxes.predictions.scores.min() >= LEAST_SCORE:
        findings.append(
            Finding(
                "predictions-cut",
                Severity.WARNING,
                f"The least sure box has a score of {boxes.predictions.scores.min():.3g}: boxes "
                "below seem to have been cut, which lowers mAP and ends the FROC curve early.",
                remedy="Write boxes down to a score of about 0.001.",
            )
        )
    return findings


def check_confidence(
    boxes: BoxRows, rows: str, confidence: Confidence | None, *, chosen_here: bool = False
) -> Finding:
    """Return whether the confidence comes from other images than those judged."""
    if confidence is None:
        return Finding("confidence", Severity.NOT_APPLICABLE, "No confidence was given.")
    if chosen_here:
        return Finding(
            "confidence-chosen-here",
            Severity.NOTE,
            "The confidence was chosen on these images: precision and recall are apparent here, "
            "and only those of other images count.",
        )
    chosen = ChosenOn(fingerprint=confidence.fingerprint)
    if leaked(image_rows(boxes), rows, confidence.chosen_on, chosen):
        return Finding(
            "confidence-chosen-on-evaluated-rows",
            Severity.ERROR,
            "The confidence was chosen on the very images that it is judged on: precision and "
            "recall are too good to be true.",
            remedy="Choose it on validation images, or state it beforehand.",
        )
    return Finding(
        "confidence-from-elsewhere", Severity.PASSED, f"Confidence: {confidence.chosen_on}."
    )
