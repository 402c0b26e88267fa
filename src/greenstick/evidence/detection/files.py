"""From files to boxes that can be judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from greenstick.errors import GreenstickError
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.confidence import (
    Confidence,
    choose_confidence,
    given_confidence,
)
from greenstick.evidence.detection.predictions import read_predictions
from greenstick.evidence.detection.truth import read_truth
from greenstick.findings import Finding, Severity


@dataclass(frozen=True, eq=False)
class ReadBoxes:
    """Images with true and predicted boxes, and what was found in their files.

    Attributes
    ----------
    rows, findings
        The boxes, and what was found.
    patients
        Whose each image is, as the file names them; None where it does not.
    columns
        What the images are to be judged by: name to a value each.
    """

    rows: BoxRows
    findings: tuple[Finding, ...]
    patients: tuple[str | None, ...]
    columns: Mapping[str, tuple[str | None, ...]]


def read_boxes(
    truth: Path | str,
    predictions: Path | str,
    *,
    split: str | None = None,
    drop_faulty: bool = False,
    skip_unknown: bool = False,
    any_class: bool = False,
    by: Sequence[str] = (),
) -> ReadBoxes:
    """Read true and predicted boxes; see :func:`read_truth` and :func:`read_predictions`.

    Parameters
    ----------
    any_class
        Take all classes for one, in both files.
    by
        Columns of the cohort, or fields of a COCO file's images, to judge by.
    """
    true = read_truth(truth, split=split, drop_faulty=drop_faulty)
    # What is predicted beyond the split, or on images left out, is on images not to be judged.
    skip = skip_unknown or split is not None or drop_faulty
    predicted = read_predictions(predictions, true, skip_unknown=skip, any_class=any_class)
    rows = true.against(predicted.boxes)
    found = predicted.findings
    if split is not None:  # boxes of the other splits are no cause for worry
        found = tuple(
            replace(one, severity=Severity.NOTE) if one.code == "unknown-images" else one
            for one in found
        )
    return ReadBoxes(
        rows=rows.merged() if any_class else rows,
        findings=(*true.findings, *found),
        patients=true.column("patient"),
        columns={name: true.column(name) for name in by},
    )


def settle_confidence(
    given: float | None,
    valid: ReadBoxes | None,
    *,
    rule: str | None = None,
    target: float | None = None,
    iou: float = 0.5,
) -> Confidence | None:
    """Return the confidence that was given, or chosen on validation images, or None.

    Raises
    ------
    GreenstickError
        Where it is both given and to be chosen, or a rule has no images to choose on.
    """
    if valid is None and (rule is not None or target is not None):
        raise GreenstickError(
            "There is nothing to choose the confidence on.",
            remedy="Give the boxes of validation images: --valid-predictions.",
        )
    if valid is None:
        return None if given is None else given_confidence(given, iou=iou)
    if given is not None:
        raise GreenstickError(
            "The confidence is given, and to be chosen too.",
            remedy="Give --confidence or --valid-predictions, not both.",
        )
    return choose_confidence(
        valid.rows, rule=rule or "f1", target=target, chosen_on="valid", iou=iou
    )
