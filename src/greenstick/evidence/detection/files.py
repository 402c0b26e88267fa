"""From files to boxes that can be judged."""

from dataclasses import dataclass
from pathlib import Path

from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.predictions import read_predictions
from greenstick.evidence.detection.truth import read_truth
from greenstick.findings import Finding


@dataclass(frozen=True, eq=False)
class ReadBoxes:
    """Images with true and predicted boxes, and what was found in their files."""

    rows: BoxRows
    findings: tuple[Finding, ...]


def read_boxes(
    truth: Path | str,
    predictions: Path | str,
    *,
    split: str | None = None,
    drop_faulty: bool = False,
    skip_unknown: bool = False,
    any_class: bool = False,
) -> ReadBoxes:
    """Read true and predicted boxes; see :func:`read_truth` and :func:`read_predictions`.

    Parameters
    ----------
    any_class
        Take all classes for one, in both files.
    """
    true = read_truth(truth, split=split, drop_faulty=drop_faulty)
    # What is predicted beyond the split, or on images left out, is on images not to be judged.
    skip = skip_unknown or split is not None or drop_faulty
    predicted = read_predictions(predictions, true, skip_unknown=skip, any_class=any_class)
    rows = true.against(predicted.boxes)
    return ReadBoxes(rows.merged() if any_class else rows, (*true.findings, *predicted.findings))
