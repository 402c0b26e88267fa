"""Judge boxes into a folder: evidence on both sets, and pictures."""

from functools import partial
from pathlib import Path

from greenstick.errors import GreenstickError
from greenstick.evidence.detection import (
    Confidence,
    DetectionEvidence,
    ReadBoxes,
    judge_boxes,
    write_detection,
)
from greenstick.evidence.detection.cases import confidence_of_pictures, pick_cases
from greenstick.experiments.box_pictures import clear_box_pictures, write_box_pictures

EVIDENCE, VALIDATION = "detection.json", "detection_valid.json"


def judge_into(
    folder: Path,
    boxes: ReadBoxes,
    valid: ReadBoxes | None,
    *,
    rows: str,
    iou: float,
    confidence: Confidence | None,
    images: Path | None,
    model: str = "",
    seed: int = 0,
    replicates: int = 2000,
) -> DetectionEvidence:
    """Judge boxes; write ``detection.json``, that of validation images, and pictures of cases.

    Parameters
    ----------
    folder
        Gets the files; what an earlier judgement left of them is replaced.
    boxes, valid
        The images to judge, and those that the confidence was chosen on.
    images
        Where the images lie; None draws no pictures.
    rows, iou, confidence, model, seed, replicates
        As for :func:`~greenstick.evidence.detection.judge_boxes`.

    Raises
    ------
    GreenstickError
        Where there is no such folder of images.
    """
    if images is not None and not images.is_dir():
        raise GreenstickError(
            f"There is no folder {images} of images.",
            remedy="Give the folder that they lie in, or leave --images out.",
        )
    folder.mkdir(parents=True, exist_ok=True)  # before the work, where it cannot be made
    judge = partial(
        judge_boxes, iou=iou, model=model, confidence=confidence, seed=seed, replicates=replicates
    )
    evidence = judge(boxes.rows, rows=rows, columns=boxes.columns, findings=boxes.findings)
    (folder / VALIDATION).unlink(missing_ok=True)
    clear_box_pictures(folder)
    if valid is not None:
        judged = judge(
            valid.rows,
            rows="valid",
            chosen_here=True,
            columns=valid.columns,
            findings=valid.findings,
        )
        write_detection(judged, folder / VALIDATION)
    if images is not None:
        threshold = confidence_of_pictures(boxes.rows, confidence)
        cases = pick_cases(boxes.rows, threshold, iou=iou)
        write_box_pictures(boxes, cases, images, folder, threshold=threshold)
    write_detection(evidence, folder / EVIDENCE)
    return evidence
