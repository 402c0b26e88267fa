"""From a detector's many overlapping boxes to few; NumPy alone, so that any runtime can use it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

#: As many of the surest boxes of an image are looked at.
_CANDIDATES = 1000
#: Boxes of two classes that overlap by more say of one place what it shows.
_SAME_PLACE = 0.5


@dataclass(frozen=True, eq=False)
class Merged:
    """Boxes of one image by falling score.

    Attributes
    ----------
    corners
        float64 (k, 4): left, top, right, bottom.
    scores
        float64 (k,).
    classes
        int64 (k,): the class's number.
    """

    corners: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Merged":
        """Return some of the boxes."""
        return Merged(self.corners[which], self.scores[which], self.classes[which])


def merge(
    corners: Floats,
    scores: Floats,
    *,
    iou: float = 0.5,
    most: int = 100,
    least: float = 1e-3,
    across: bool = False,
    cut: NDArray[np.bool_] | None = None,
) -> Merged:
    """Keep the surest of boxes that overlap (greedy non-maximum suppression).

    Parameters
    ----------
    corners
        (n, 4): left, top, right, bottom.
    scores
        (n, C), one a class, higher means surer. A box may be kept for several classes.
    iou
        A box that overlaps a surer one of its class by more than this is dropped.
    most
        How many boxes to keep.
    least
        Boxes of lower score are dropped.
    across
        Whether a box must also give way to a surer one of another class that lies in its place,
        whatever ``iou`` is for one class.
    cut
        (n,) boxes that end at a seam between tiles: each gives way to any other that holds most
        of it, surer or not, since a neighboring tile may show the whole of what it shows a part of.
    """
    places, kinds = np.nonzero(scores >= least)
    sizes = scores[places, kinds].astype(np.float64)
    ends = np.zeros(len(places), np.bool_) if cut is None else cut[places]
    order = np.argsort(-sizes, kind="stable")[:_CANDIDATES]
    order = order[np.argsort(ends[order], kind="stable")]  # those that are cut come last
    ends = ends[order]
    boxes, sizes, kinds = corners[places[order]].astype(np.float64), sizes[order], kinds[order]
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)
    free = np.ones(len(boxes), dtype=np.bool_)
    kept: list[int] = []
    for i in range(len(boxes)):
        if not free[i]:
            continue
        kept.append(i)
        if len(kept) == most:
            break
        low = np.maximum(boxes[i, :2], boxes[i + 1 :, :2])
        high = np.minimum(boxes[i, 2:], boxes[i + 1 :, 2:])
        common = np.prod(np.maximum(high - low, 0.0), axis=1)
        union = areas[i] + areas[i + 1 :] - common
        same = kinds[i + 1 :] == kinds[i]
        limit = np.where(same, iou, min(iou, _SAME_PLACE))
        covered = ends[i + 1 :] & (common > limit * areas[i + 1 :])
        free[i + 1 :] &= ~(((common > limit * union) | covered) & (same | across))
    found = Merged(boxes[kept], sizes[kept], kinds[kept].astype(np.int64))
    return found if cut is None else found.take(np.argsort(-found.scores, kind="stable"))
