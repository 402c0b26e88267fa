"""Whether a probability of 0.3 means a fracture in three of ten."""

from dataclasses import dataclass

import numpy as np

from greenstick.evidence.estimates import BrierParts, ReliabilityBin
from greenstick.evidence.intervals import clustered_wilson
from greenstick.evidence.rows import Floats, Ints, ScoredRows

#: How many bins of the same width.
BINS = 10


@dataclass(frozen=True, eq=False)
class Binning:
    """Edges of the bins and the bin of each row.

    Attributes
    ----------
    edges
        (bins + 1,) from 0 to 1.
    of_row
        (n,) number of the bin.
    """

    edges: Floats
    of_row: Ints

    @property
    def n(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1


def equal_width(scores: Floats, bins: int = BINS) -> Binning:
    """Cut [0, 1] into bins of the same width; a left edge belongs to its bin."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    of_row = np.searchsorted(edges[1:-1], scores, side="right")
    return Binning(edges, of_row.astype(np.int64))


def equal_mass(scores: Floats, bins: int = BINS) -> Binning:
    """Cut the scores into bins of about the same number of images; equal scores stay together."""
    inner = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    edges = np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])
    of_row = np.searchsorted(edges[1:-1], scores, side="right")
    return Binning(edges, of_row.astype(np.int64))


def brier_losses(rows: ScoredRows) -> Floats:
    """Return the (n,) squared error of each row (Brier 1950)."""
    return np.asarray((rows.scores - rows.labels) ** 2)


def log_losses(rows: ScoredRows) -> Floats:
    """Return the (n,) log loss of each row, in nats.

    A probability of exactly 0 or 1 counts as within one machine epsilon of it, so that one sure
    mistake costs 36 and not infinity.
    """
    tiny = np.finfo(np.float64).eps
    sure = np.clip(rows.scores, tiny, 1 - tiny)
    return -np.log(np.where(rows.labels, sure, 1 - sure))


def reliability(rows: ScoredRows, binning: Binning, level: float = 0.95) -> list[ReliabilityBin]:
    """Return what happened in each bin, with Wilson intervals by patient."""
    return [_bin(rows, binning, number, level) for number in range(binning.n)]


def _bin(rows: ScoredRows, binning: Binning, number: int, level: float) -> ReliabilityBin:
    left, right = binning.edges[number], binning.edges[number + 1]
    inside = binning.of_row == number
    n = int(inside.sum())
    if not n:
        return ReliabilityBin(
            left=left, right=right, n=0, mean_score=None, observed=None, lower=None, upper=None
        )
    interval = clustered_wilson(
        rows.per_patient(inside & rows.labels), rows.per_patient(inside), level
    )
    return ReliabilityBin(
        left=left,
        right=right,
        n=n,
        mean_score=float(rows.scores[inside].mean()),
        observed=float(rows.labels[inside].mean()),
        lower=interval.lower,
        upper=interval.upper,
    )


def brier_parts(rows: ScoredRows, binning: Binning) -> BrierParts:
    """Split the Brier score into reliability - resolution + uncertainty (Murphy 1973).

    What varies within bins counts as resolution (Stephenson et al. 2008), so that the parts add
    up to the Brier score exactly. They describe these rows; reliability grows with the number of
    bins and shrinks with the number of images.
    """
    n = np.bincount(binning.of_row, minlength=binning.n)
    gaps = np.bincount(binning.of_row, rows.scores - rows.labels, minlength=binning.n)
    reliability = float((gaps**2 / np.maximum(n, 1)).sum()) / len(rows)
    share = float(rows.labels.mean())
    brier = float(brier_losses(rows).mean())
    return BrierParts(
        brier=brier,
        reliability=reliability,
        resolution=reliability + share * (1 - share) - brier,
        uncertainty=share * (1 - share),
        bins=binning.n,
    )
