"""Whether a probability of 0.3 means a fracture in three of ten."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import brentq

from greenstick.evidence.estimates import Estimate, ReliabilityBin
from greenstick.evidence.intervals import clustered_wilson
from greenstick.evidence.rows import Floats, Ints, ScoredRows

#: How many bins of the same width.
BINS = 10
#: How many times noise is drawn for the interval of the calibration error.
DRAWS = 4000


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


def calibration_error(
    rows: ScoredRows, binning: Binning, *, level: float = 0.95, seed: int = 0
) -> list[Estimate]:
    """Return the expected calibration error as everybody computes it, and without its bias.

    The plain ECE (Naeini et al. 2015) is never negative, so that noise alone makes it large in
    small samples, and a bootstrap of it does not cover the truth. Here its interval comes from
    inverting a test: the gaps between score and outcome are taken to be s times those observed,
    plus normal noise with the covariance that patients show; the limits are the s at which the
    observed ECE would be just too small or too large (test inversion, Davison & Hinkley 1997).
    The s at which it would be the median gives the debiased estimate.

    Parameters
    ----------
    rows
        Judged images; their scores must be probabilities.
    binning
        The bins.
    level
        Nominal coverage.
    seed
        For the noise.

    Returns
    -------
    list of Estimate
        ``ECE``, whose upper limit is at least the value itself, and ``ECE (debiased)``.
    """
    gaps = _gaps(rows, binning)
    plain = float(np.abs(gaps.sum(axis=0)).sum())
    if rows.n_patients < 2:
        return [_ece("ECE", plain, None, None, "none: only one patient", rows, level)]
    generator = np.random.Generator(np.random.PCG64(seed))
    tail = 0.5 - level / 2
    lower, middle, upper = (
        plain * scale for scale in _scales(gaps, (1 - tail, 0.5, tail), generator)
    )
    method = f"test inversion by patient, {binning.n} bins"
    return [
        _ece("ECE", plain, lower, max(upper, plain), method, rows, level),
        _ece("ECE (debiased)", middle, lower, upper, f"{method}; median-unbiased", rows, level),
    ]


def _gaps(rows: ScoredRows, binning: Binning) -> Floats:
    """Return the (patients, bins) sums of score minus label, over the number of images."""
    cell = rows.patients * binning.n + binning.of_row
    size = rows.n_patients * binning.n
    sums = np.bincount(cell, rows.scores - rows.labels, minlength=size)
    return sums.reshape(rows.n_patients, binning.n) / len(rows)


def _scales(gaps: Floats, shares: tuple[float, ...], generator: np.random.Generator) -> list[float]:
    """Return for each share the scale of the true gaps at which it lies below the observed ECE."""
    m = len(gaps)
    total = gaps.sum(axis=0)
    residuals = gaps - total / m
    covariance = residuals.T @ residuals * m / (m - 1)
    values, vectors = np.linalg.eigh(covariance)
    noise = generator.normal(size=(DRAWS, len(total))) * np.sqrt(np.maximum(values, 0))
    noise = noise @ vectors.T
    observed = np.abs(total).sum()

    def excess(scale: float, share: float) -> float:
        return float(np.quantile(np.abs(scale * total + noise).sum(axis=1), share) - observed)

    return [_root(partial(excess, share=share)) for share in shares]


def _root(excess: Callable[[float], float]) -> float:
    """Return where a rising function crosses zero, 0 where it starts above."""
    if excess(0.0) >= 0:
        return 0.0
    high = 2.0
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-6))


def _ece(
    name: str,
    value: float,
    lower: float | None,
    upper: float | None,
    method: str,
    rows: ScoredRows,
    level: float,
) -> Estimate:
    return Estimate(
        name=name,
        value=value,
        lower=lower,
        upper=upper,
        level=level,
        method=method,
        n_images=len(rows),
        n_patients=rows.n_patients,
    )
