"""Which predicted box finds which true one: greedily from the surest, as COCO does it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.rows import Bools, Floats, Ints

#: As many boxes of an image and class are judged, the surest ones (COCO's own limit).
MOST = 100
#: Areas in pixels of the original: smallest and largest (COCO's own bounds).
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True, eq=False)
class Matches:
    """Predicted boxes by falling score, and what became of each; d boxes, t values of IoU.

    Attributes
    ----------
    order
        (d,) number of each box among those given; where more than :data:`MOST` are predicted for
        an image and class, the rest is left out.
    found
        (t, d) number of the true box that each one finds, -1 for none.
    ignored
        (t, d) true where a box counts neither for nor against: on a crowd, or out of the range of
        areas.
    wanted
        (k,) which true boxes are to be found.
    """

    order: Ints
    found: Ints
    ignored: Bools
    wanted: Bools

    @property
    def hits(self) -> Bools:
        """(t, d) true where a box finds one that is to be found."""
        return (self.found >= 0) & ~self.ignored


def match(
    rows: BoxRows, ious: tuple[float, ...], area: tuple[float, float] = AREAS["all"]
) -> Matches:
    """Match the boxes of each image and class, at each of several values of IoU.

    Each prediction, from the surest on, takes the free true box that it overlaps most, if by the
    IoU wanted; one that only overlaps a box not wanted (a crowd, or out of the range of areas) is
    ignored, and so is a miss that is itself out of range. Of two predictions on one true box the
    second is a false positive.

    Parameters
    ----------
    rows
        The boxes.
    ious
        Intersection over union from which a box counts as found, each within (0, 1].
    area
        Smallest and largest area of true boxes that are to be found.

    References
    ----------
    Lin et al., "Microsoft COCO", ECCV 2014, and its evaluation code.
    """
    truth, predictions = rows.truth, rows.predictions
    wanted = ~truth.crowds & (truth.areas >= area[0]) & (truth.areas <= area[1])
    order = surest(rows)
    thresholds = np.minimum(np.array(ious), 1 - 1e-10)
    found = np.full((len(ious), len(predictions)), -1, dtype=np.int64)
    for mine, theirs in _pairs(rows, order):
        overlap = iou(predictions.xywh[mine], truth.xywh[theirs], truth.crowds[theirs])
        taken = _greedy(overlap, thresholds, wanted[theirs], truth.crowds[theirs])
        found[:, mine] = np.where(taken >= 0, theirs[taken], -1)
    found = found[:, order]
    sizes = np.prod(predictions.xywh[order, 2:], axis=1)
    outside = (sizes < area[0]) | (sizes > area[1])
    reached = np.append(wanted, False)[found]  # found may be -1: no box, the one put last
    return Matches(order, found, np.where(found >= 0, ~reached, outside), wanted)


def surest(rows: BoxRows) -> Ints:
    """Return the surest :data:`MOST` predictions of each image and class, by falling score.

    Where scores tie, images and then boxes keep their order.
    """
    boxes = rows.predictions
    group = _groups(rows, boxes.images, boxes.classes)
    order = np.lexsort((-boxes.scores, group))
    rank = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    kept = order[rank < MOST]
    return np.asarray(kept[np.argsort(-boxes.scores[kept], kind="stable")])


def _groups(rows: BoxRows, images: Ints, classes: Ints) -> Ints:
    return images * max(len(rows.classes), 1) + classes


def _pairs(rows: BoxRows, order: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Give the predictions, by falling score, and true boxes of each image and class with both."""
    truth, boxes = rows.truth, rows.predictions
    theirs = _groups(rows, truth.images, truth.classes)
    mine = _groups(rows, boxes.images[order], boxes.classes[order])
    true_order, own_order = np.argsort(theirs, kind="stable"), np.argsort(mine, kind="stable")
    both = np.intersect1d(theirs, mine)
    edges = [
        (np.searchsorted(groups[sort], both), np.searchsorted(groups[sort], both, side="right"))
        for groups, sort in ((mine, own_order), (theirs, true_order))
    ]
    (start, stop), (true_start, true_stop) = edges
    for i in range(len(both)):
        own = order[own_order[start[i] : stop[i]]]
        yield own, true_order[true_start[i] : true_stop[i]]


def iou(boxes: Floats, others: Floats, crowds: Bools) -> Floats:
    """Return the (d, k) intersection over union of boxes given as x, y, width, height.

    On a crowd it is the share of the box that lies within, as COCO has it.
    """
    ends, other_ends = boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:]
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(ends[:, None], other_ends[None])
    common = np.prod(np.maximum(high - low, 0.0), axis=2)
    area, other = np.prod(boxes[:, 2:], axis=1)[:, None], np.prod(others[:, 2:], axis=1)[None]
    union = np.where(crowds[None], area, area + other - common)
    shares: Floats = np.divide(common, union, out=np.zeros_like(common), where=common > 0)
    return shares


def _greedy(overlap: Floats, thresholds: Floats, wanted: Bools, crowds: Bools) -> Ints:
    """Return (t, d): which of the k true boxes each prediction takes, -1 for none."""
    taken = np.full((len(thresholds), len(overlap)), -1, dtype=np.int64)
    free = np.ones((len(thresholds), overlap.shape[1]), dtype=np.bool_)
    for d in np.flatnonzero(overlap.max(axis=1) >= thresholds.min()):
        fits = (overlap[d] >= thresholds[:, None]) & (free | crowds)
        best = _last_best(overlap[d], fits & wanted)
        best = np.where(best >= 0, best, _last_best(overlap[d], fits & ~wanted))
        taken[:, d] = best
        at = np.flatnonzero(best >= 0)
        free[at, best[at]] = False
    return taken


def _last_best(overlap: Floats, fits: Bools) -> Ints:
    """Return (t,) the fitting box of most overlap, the last of equals; -1 where none fits."""
    values = np.where(fits, overlap, -1.0)[:, ::-1]
    last = values.shape[1] - 1 - values.argmax(axis=1)
    return np.where(fits.any(axis=1), last, -1)
