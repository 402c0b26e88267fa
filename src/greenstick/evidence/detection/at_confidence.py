"""What the boxes shown at a confidence are worth."""

import numpy as np

from greenstick.evidence.at_point import proportion
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.confidence import Confidence
from greenstick.evidence.detection.matching import Matches, match
from greenstick.evidence.detection.ratings import image_rows
from greenstick.evidence.estimates import Estimate, Record
from greenstick.evidence.intervals import clustered_wilson
from greenstick.evidence.rows import Bools, Floats, Ints

#: Names of the figures that need the bootstrap.
F1, FALSE = "F1", "false positives an image"


class BoxConfusion(Record):
    """Which class was predicted for which, at the confidence.

    Attributes
    ----------
    classes
        Names; after the last one stands 'nothing'.
    counts
        (classes + 1, classes + 1): true classes down, predicted ones across. The last row holds
        boxes where nothing is, the last column what was missed.
    """

    classes: list[str]
    counts: list[list[int]]


def shares(rows: BoxRows, confidence: Confidence, level: float) -> list[Estimate]:
    """Return precision and recall of boxes, and sensitivity and specificity of images.

    An image is called where any box is shown. Intervals are Wilson's with the effective number
    of boxes by patient.
    """
    shown = rows.surer(confidence.threshold)
    matches = match(shown, (confidence.iou,))
    images = image_rows(rows)
    calls = images.scores >= confidence.threshold
    return [
        *precision_and_recall(shown, matches, np.ones(len(rows.classes), np.bool_), level),
        proportion("image sensitivity", images, calls, among=images.labels, level=level),
        proportion("image specificity", images, ~calls, among=~images.labels, level=level),
    ]


def precision_and_recall(
    shown: BoxRows, matches: Matches, classes: Bools, level: float
) -> list[Estimate]:
    """Return precision and recall of the boxes of some of the classes."""
    boxes = shown.predictions.take(matches.order)
    counts = ~matches.ignored[0] & classes[boxes.classes]
    found = np.zeros(len(shown.truth), dtype=np.bool_)
    found[matches.found[0][matches.hits[0]]] = True
    wanted = matches.wanted & classes[shown.truth.classes]
    return [
        _share("precision", shown, boxes.images[counts], matches.hits[0][counts], level),
        _share("recall", shown, shown.truth.images[wanted], found[wanted], level),
    ]


def _share(name: str, rows: BoxRows, images: Ints, hits: Bools, level: float) -> Estimate:
    trials = np.bincount(rows.patients[images], minlength=rows.n_patients).astype(np.float64)
    found = np.bincount(rows.patients[images[hits]], minlength=rows.n_patients).astype(np.float64)
    interval = clustered_wilson(found, trials, level)
    some = len(images) > 0
    return Estimate(
        name=name,
        value=float(hits.mean()) if some else None,
        lower=interval.lower if some else None,
        upper=interval.upper if some else None,
        level=level,
        method=interval.method if some else "not estimable: no such box",
        n_images=len(np.unique(images)),
        n_patients=int((trials > 0).sum()),
    )


class WeighedCounts:
    """F1 and false positives an image, under any weights of patients."""

    def __init__(self, rows: BoxRows, confidence: Confidence) -> None:
        shown = rows.surer(confidence.threshold)
        matches = match(shown, (confidence.iou,))
        images = shown.predictions.images[matches.order]
        false = ~matches.hits[0] & ~matches.ignored[0]
        self.tp = self._count(rows, images[matches.hits[0]])
        self.fp = self._count(rows, images[false])
        self.lesions = self._count(rows, rows.truth.images[matches.wanted])
        self.images = self._count(rows, np.arange(len(rows)))

    def _count(self, rows: BoxRows, images: Ints) -> Ints:
        return np.bincount(rows.patients[images], minlength=rows.n_patients)

    def __call__(self, weights: Ints) -> dict[str, Floats]:
        """Return both under (b, patients) weights."""
        tp, fp = weights @ self.tp, weights @ self.fp
        whole = tp + fp + weights @ self.lesions
        f1 = np.divide(2 * tp, whole, out=np.full(len(weights), np.nan), where=whole > 0)
        return {F1: f1, FALSE: fp / (weights @ self.images)}


def confusion(rows: BoxRows, confidence: Confidence) -> BoxConfusion:
    """Count which class was predicted where which is; boxes are matched whatever their class."""
    shown = rows.surer(confidence.threshold)
    matches = match(shown.merged(), (confidence.iou,))
    nothing = len(rows.classes)
    predicted = shown.predictions.classes[matches.order]
    counts = np.zeros((nothing + 1, nothing + 1), dtype=np.int64)
    found, hits = matches.found[0], matches.hits[0]
    np.add.at(counts, (rows.truth.classes[found[hits]], predicted[hits]), 1)
    false = ~hits & ~matches.ignored[0]
    np.add.at(counts, (np.full(int(false.sum()), nothing), predicted[false]), 1)
    missed = matches.wanted.copy()
    missed[found[hits]] = False
    kinds = rows.truth.classes[missed]
    np.add.at(counts, (kinds, np.full(len(kinds), nothing)), 1)
    return BoxConfusion(classes=[*rows.classes, "nothing"], counts=counts.tolist())
