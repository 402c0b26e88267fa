"""Which images to look at: the best, the middling and the worst, by a rule stated beforehand."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.confidence import Confidence, choose_confidence
from greenstick.evidence.detection.matching import iou as overlap_of
from greenstick.evidence.detection.matching import match
from greenstick.evidence.rows import Floats, Ints

CaseKind = Literal["worst", "median", "best", "false alarm"]

#: The rule, as a page says it.
RULE = (
    "Images with a fracture are ordered by F1 of their boxes (twice the boxes found, divided by "
    "true and shown boxes together), ties by how much of each true box the best shown one "
    "overlaps, then by name; shown are the first, the middle and the last of them. False alarms "
    "are the images without a fracture whose surest box is surest."
)


@dataclass(frozen=True)
class BoxCase:
    """One image to look at.

    Attributes
    ----------
    image
        Its number.
    kind
        Why it is looked at.
    found, missed, false
        True boxes found and missed at the confidence, and shown boxes where nothing is.
    overlap
        Mean over true boxes of the greatest overlap (IoU) of a shown one; 0 without any.
    score
        Of its surest box; None where it has none.
    """

    image: int
    kind: CaseKind
    found: int
    missed: int
    false: int
    overlap: float
    score: float | None


def confidence_of_pictures(rows: BoxRows, confidence: Confidence | None) -> float | None:
    """Return from which score on pictures show boxes: the confidence, else that of best F1 here.

    None where there is nothing to choose by; then all boxes are shown.
    """
    if confidence is not None:
        return confidence.threshold
    if not rows.fractured.any() or not len(rows.predictions):
        return None
    return choose_confidence(rows, chosen_on="pictures").threshold


def pick_cases(
    rows: BoxRows, threshold: float | None, *, iou: float = 0.5, each: int = 4
) -> list[BoxCase]:
    """Return up to ``each`` images of each kind, the worst first, by :data:`RULE`.

    Parameters
    ----------
    rows
        The boxes.
    threshold
        From which score on a box is shown; None: any.
    iou
        Overlap from which a box counts as found.
    each
        How many of a kind; no image is picked twice.
    """
    shown = rows if threshold is None else rows.surer(threshold)
    counts, overlap = _counts(shown, iou), _overlaps(shown)
    f1 = 2 * counts[0] / np.maximum(2 * counts[0] + counts[1] + counts[2], 1)
    fractured = np.flatnonzero(rows.fractured)
    names = np.array(rows.images)
    order = fractured[np.lexsort((names[fractured], overlap[fractured], f1[fractured]))]
    many = min(each, -(-len(order) // 3))  # a third of few images, rounded up
    last = max(many, len(order) - many)
    middle = max(many, (len(order) - many) // 2)
    picked: list[tuple[int, CaseKind]] = [(int(i), "worst") for i in order[:many]]
    picked += [(int(i), "median") for i in order[middle : min(middle + many, last)]]
    picked += [(int(i), "best") for i in order[last:][::-1]]
    picked += [(int(i), "false alarm") for i in _false_alarms(shown, each)]
    scores = rows.best_scores
    marked = np.bincount(rows.predictions.images, minlength=len(rows)) > 0
    return [
        BoxCase(
            image=i,
            kind=kind,
            found=int(counts[0, i]),
            missed=int(counts[1, i]),
            false=int(counts[2, i]),
            overlap=float(overlap[i]),
            score=float(scores[i]) if marked[i] else None,
        )
        for i, kind in picked
    ]


def _counts(shown: BoxRows, iou: float) -> Ints:
    """Return (3, n): true boxes found, missed, and shown boxes where nothing is."""
    matches = match(shown, (iou,))
    images = shown.predictions.images[matches.order]
    hits = matches.hits[0]
    false = ~hits & ~matches.ignored[0]
    wanted = shown.truth.images[matches.wanted]
    found, wrong, all_of = (
        np.bincount(which, minlength=len(shown)) for which in (images[hits], images[false], wanted)
    )
    return np.stack([found, all_of - found, wrong])


def _overlaps(shown: BoxRows) -> Floats:
    truth, boxes = shown.truth, shown.predictions
    means = np.zeros(len(shown))
    for image in np.flatnonzero(shown.fractured):
        mine = truth.take((truth.images == image) & ~truth.crowds)
        theirs = boxes.xywh[boxes.images == image]
        if len(theirs):
            means[image] = overlap_of(theirs, mine.xywh, mine.crowds).max(axis=0).mean()
    return means


def _false_alarms(shown: BoxRows, most: int) -> Ints:
    alarmed = np.bincount(shown.predictions.images, minlength=len(shown)) > 0
    clear = np.flatnonzero(alarmed & ~shown.fractured)
    names = np.array(shown.images)
    order = np.lexsort((names[clear], -shown.best_scores[clear]))
    return np.asarray(clear[order[:most]])
