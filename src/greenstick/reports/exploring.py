"""What a reader may try on the page: other thresholds, from counts alone."""

import json
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from greenstick.evidence.evidence import Evidence

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: Most thresholds in a page; evenly spaced along the ROC curve where there are more.
MOST = 500


@dataclass(frozen=True, eq=False)
class Exploration:
    """Counts of calls at rising thresholds, and where the slider starts.

    Attributes
    ----------
    thresholds
        (k,) rising; an image is called a fracture where its score is at or above.
    tp, fp
        (k,) fractures found and false alarms at each.
    positives, negatives
        Images with and without a fracture.
    start
        Number of the threshold that the slider starts from.
    reported
        Whether that one is the reported operating point; False where there is none, or one a
        fold.
    ring
        1 - specificity and sensitivity as reported, or None.
    """

    thresholds: Floats
    tp: Ints
    fp: Ints
    positives: int
    negatives: int
    start: int
    reported: bool
    ring: tuple[float, float] | None

    def to_json(self) -> Markup:
        """Return the counts for the page's script: numbers only, no image and no patient."""
        values = {
            "thresholds": self.thresholds.tolist(),
            "tp": self.tp.tolist(),
            "fp": self.fp.tolist(),
            "positives": self.positives,
            "negatives": self.negatives,
            "start": self.start,
        }
        return Markup(json.dumps(values, separators=(",", ":")))

    @property
    def curve(self) -> list[tuple[float, float]]:
        """The ROC curve as (1 - specificity, sensitivity)."""
        x, y = self.fp / self.negatives, self.tp / self.positives
        return list(zip(x.tolist(), y.tolist(), strict=True))

    @property
    def prevalence(self) -> float:
        """The share of fractures among these images."""
        return self.positives / (self.positives + self.negatives)


def explore(scores: Floats, labels: Bools, evidence: Evidence) -> Exploration | None:
    """Count calls at thresholds over the whole range of the judged scores.

    Returns
    -------
    Exploration or None
        None where there is only one class, hence no curve to move along.
    """
    if labels.all() or not labels.any():
        return None
    thresholds, point = _spread(scores, labels), _one_point(scores, labels, evidence)
    if point is not None:
        thresholds = np.unique(np.append(thresholds, point))
    found = Exploration(
        thresholds=thresholds,
        tp=_at_or_above(scores[labels], thresholds),
        fp=_at_or_above(scores[~labels], thresholds),
        positives=int(labels.sum()),
        negatives=int((~labels).sum()),
        start=0,
        reported=point is not None,
        ring=_ring(evidence),
    )
    return replace(found, start=_start(found, point, evidence))


def _start(found: Exploration, point: float | None, evidence: Evidence) -> int:
    if point is not None:
        return int(np.searchsorted(found.thresholds, point))
    if found.ring is not None:
        x, y = np.array(found.curve).T
        return int(np.hypot(x - found.ring[0], y - found.ring[1]).argmin())
    probable = bool(evidence.reliability)
    return int(np.abs(found.thresholds - 0.5).argmin()) if probable else len(found.tp) // 2


def _one_point(scores: Floats, labels: Bools, evidence: Evidence) -> float | None:
    """Return the one threshold where it makes the counts that are reported.

    Calls that came with the scores need not be those of a threshold.
    """
    point, told = evidence.operating_point, evidence.confusion
    if point is None or told is None:
        return None
    calls = scores >= point.threshold
    counts = int((calls & labels).sum()), int((calls & ~labels).sum())
    return point.threshold if counts == (told.tp, told.fp) else None


def _ring(evidence: Evidence) -> tuple[float, float] | None:
    told = evidence.confusion
    if told is None:
        return None
    return told.fp / (told.fp + told.tn), told.tp / (told.tp + told.fn)


def _spread(scores: Floats, labels: Bools) -> Floats:
    """Return rising thresholds, from one that calls everything to one that calls nothing."""
    distinct = np.unique(scores)
    found = _at_or_above(scores[labels], distinct) / labels.sum()
    alarms = _at_or_above(scores[~labels], distinct) / (~labels).sum()
    kept = np.arange(1, len(distinct))
    if len(kept) > MOST:
        passed = 2.0 - found - alarms  # the length of the curve so far: rises from 0 to 2
        kept = np.unique(np.searchsorted(passed, np.linspace(0, 2, MOST) - 1e-12))
        kept = kept[(kept > 0) & (kept < len(distinct))]
    inner = [_short(float(distinct[i - 1]), float(distinct[i])) for i in kept]
    return np.array([distinct[0], *inner, np.nextafter(distinct[-1], np.inf)])


def _short(low: float, high: float) -> float:
    """Return a number above ``low`` and at most ``high`` with few digits."""
    middle = low + (high - low) / 2
    for digits in range(2, 17):
        rounded = float(f"{middle:.{digits}g}")
        if low < rounded <= high:
            return rounded
    return high


def _at_or_above(scores: Floats, thresholds: Floats) -> Ints:
    ordered = np.sort(scores)
    return np.asarray(len(ordered) - np.searchsorted(ordered, thresholds, side="left"))
