"""The same figures by class, by size of the box, and by any column of the images."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from greenstick.evidence.checks import FEW_PATIENTS
from greenstick.evidence.detection.at_confidence import confusion, precision_and_recall
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.confidence import Confidence
from greenstick.evidence.detection.froc import rate_name
from greenstick.evidence.detection.matching import AREAS, match
from greenstick.evidence.detection.ratings import rankings
from greenstick.evidence.detection.resampled import Drawn
from greenstick.evidence.estimates import Estimate, Record, Subgroup
from greenstick.evidence.rows import count
from greenstick.findings import Finding, Severity

#: What is stated of each subgroup beside precision and recall.
_MAP, _FROC = "mAP@0.5", rate_name(1.0)


class ClassEvidence(Record):
    """The figures of one class: AP, and precision and recall at the confidence."""

    name: str
    n_boxes: int
    estimates: list[Estimate]


class SizeEvidence(Record):
    """The figures of boxes of one size, as COCO divides them.

    Attributes
    ----------
    name
        ``small`` (up to 32 x 32 pixels of the original), ``medium`` (up to 96 x 96), ``large``.
    n_boxes
        True boxes of this size.
    estimates
        ``mAP@0.5``, ``mAP@0.5:0.95``; with a confidence ``precision`` (a shown box that finds
        nothing counts where it is of this size itself) and ``recall``.
    """

    name: str
    n_boxes: int
    estimates: list[Estimate]


class BoxSubgroup(Subgroup):
    """The figures within one value of a column of the images, e.g. a part of the body.

    Attributes
    ----------
    n_boxes
        True boxes.
    n_found, n_missed, n_false
        At the confidence, whatever their class: true boxes found and missed, and shown boxes
        where nothing is; None without a confidence.
    """

    n_boxes: int
    n_found: int | None = None
    n_missed: int | None = None
    n_false: int | None = None


def by_class(boxes: BoxRows, confidence: Confidence | None, drawn: Drawn) -> list[ClassEvidence]:
    """Return the figures of each class."""
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


def by_size(boxes: BoxRows, confidence: Confidence | None, drawn: Drawn) -> list[SizeEvidence]:
    """Return the figures of small, medium and large boxes."""
    judged = []
    every = np.ones(len(boxes.classes), dtype=np.bool_)
    for name, area in list(AREAS.items())[1:]:
        kinds = ("mAP@0.5", "mAP@0.5:0.95")
        estimates = [drawn.estimate(f"{kind}, {name}", kind) for kind in kinds]
        wanted = match(boxes, (0.5,), area).wanted
        if confidence is not None:
            shown = boxes.surer(confidence.threshold)
            matches = match(shown, (confidence.iou,), area)
            estimates += precision_and_recall(shown, matches, every, drawn.level)
        judged.append(SizeEvidence(name=name, n_boxes=int(wanted.sum()), estimates=estimates))
    return judged


def by_column(
    boxes: BoxRows,
    columns: Mapping[str, Sequence[str | None]],
    draw: Callable[[BoxRows], Drawn],
) -> list[BoxSubgroup]:
    """Return the figures within each value of each column; None belongs to no subgroup.

    Parameters
    ----------
    columns
        Name to one value an image.
    draw
        Draws samples of some of the images, in the way of all together.
    """
    return [
        _subgroup(boxes, draw(boxes.of(np.array([one == value for one in values]))), column, value)
        for column, values in columns.items()
        for value in sorted({one for one in values if one is not None})
    ]


def _subgroup(whole: BoxRows, drawn: Drawn, column: str, value: str) -> BoxSubgroup:
    part, confidence = drawn.boxes, drawn.confidence
    auroc, *_ = rankings(part, drawn.iou, drawn.level)
    estimates = [auroc, drawn.estimate(_MAP), drawn.estimate(_FROC)]
    counts: dict[str, int] = {}
    if confidence is not None:
        shown = part.surer(confidence.threshold)
        every = np.ones(len(part.classes), dtype=np.bool_)
        matches = match(shown, (confidence.iou,))
        estimates += precision_and_recall(shown, matches, every, drawn.level)
        table = np.array(confusion(part, confidence).counts)
        counts = {
            "n_found": int(table[:-1, :-1].sum()),
            "n_missed": int(table[:-1, -1].sum()),
            "n_false": int(table[-1, :-1].sum()),
        }
    return BoxSubgroup(
        column=column,
        value=value,
        n_images=len(part),
        n_patients=part.n_patients,
        n_positive=int(part.fractured.sum()),
        estimates=estimates,
        too_small=_too_small(whole, part),
        n_boxes=int((~part.truth.crowds).sum()),
        **counts,
    )


def _too_small(whole: BoxRows, part: BoxRows) -> bool:
    """Tell whether too few patients have a fracture, or none where the whole set has such."""
    fractured = part.fractured
    few = count(part.patients[fractured]) < FEW_PATIENTS
    without = count(part.patients[~fractured]) < FEW_PATIENTS
    return few or (without and not whole.fractured.all())


def check_subgroups(subgroups: Sequence[BoxSubgroup]) -> list[Finding]:
    """Return which subgroups are too small to say anything."""
    small = [f"{one.column} {one.value}" for one in subgroups if one.too_small]
    if not small:
        return []
    return [
        Finding(
            "subgroup-too-small",
            Severity.WARNING,
            f"Too small to say anything: {', '.join(small)}.",
            remedy=f"Have at least {FEW_PATIENTS} patients with and without a fracture in each.",
        )
    ]
