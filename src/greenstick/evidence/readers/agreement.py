"""Whether readers agree, beyond what chance would have them agree."""

import numpy as np
from numpy.typing import NDArray

from greenstick.evidence.estimates import Estimate
from greenstick.evidence.intervals import Interval, clustered_wilson, fisher_interval, t_of, z_of
from greenstick.evidence.rows import Floats, ScoredRows, undefined

COHEN = "Cohen's kappa"
WEIGHTED = "weighted kappa"
FLEISS = "Fleiss' kappa"


def cohen_kappa(
    rows: ScoredRows, first: Floats, second: Floats, *, quadratic: bool = False, level: float = 0.95
) -> Estimate:
    """Return the agreement of two readers beyond chance (Cohen 1960).

    Parameters
    ----------
    rows
        The images; only their patients count here.
    first, second
        (n,) the ratings of either reader.
    quadratic
        Count a disagreement by the square of its size, with the places of the ratings on the
        scale as distances (Cohen 1968; Fleiss & Cohen 1973): for ordinal ratings.
    """
    name = WEIGHTED if quadratic else COHEN
    x, y, distance = _scaled(np.stack([first, second]), quadratic=quadratic)
    observed = distance[x, y]
    from_x, from_y = distance[:, y].mean(axis=1)[x], distance[x].mean(axis=0)[y]
    return _kappa(name, rows, observed, from_x + from_y, level)


def fleiss_kappa(rows: ScoredRows, ratings: Floats, level: float = 0.95) -> Estimate:
    """Return the agreement of (readers, n) ratings beyond chance (Fleiss 1971)."""
    *given, distance = _scaled(ratings, quadratic=False)
    x = np.stack(given)
    readers = len(x)
    counts = np.stack([(x == k).sum(axis=0) for k in range(len(distance))])
    alike = (counts * (counts - 1)).sum(axis=0) / (readers * (readers - 1))
    shares = counts.mean(axis=1) / readers
    expected = 2 * (distance @ shares) @ counts / readers
    return _kappa(FLEISS, rows, 1 - alike, expected, level)


def _scaled(ratings: Floats, *, quadratic: bool) -> list[NDArray[np.int64] | Floats]:
    """Return each reader's (n,) places on the common scale, then the (k, k) distances on it."""
    values, places = np.unique(ratings, return_inverse=True)
    steps = np.abs(np.subtract.outer(np.arange(len(values)), np.arange(len(values))))
    longest = max(1, len(values) - 1)
    distance = (steps / longest) ** 2 if quadratic else (steps > 0).astype(np.float64)
    return [*places.reshape(ratings.shape), distance]


def _kappa(
    name: str, rows: ScoredRows, observed: Floats, expected: Floats, level: float
) -> Estimate:
    """Return 1 - observed / expected disagreement; the variance is that of patients' influence.

    ``expected`` is twice what each image has with all others; its mean is twice the whole's. The
    variance is that of Fleiss, Cohen & Everitt (1969) where each patient has one image.
    """
    seen, chance = float(observed.mean()), float(expected.mean()) / 2
    if chance <= 0:
        return undefined(name, rows, level, "every rating is the same")
    value = 1 - seen / chance
    influence = -((observed - seen) / chance - seen * (expected - 2 * chance) / chance**2)
    m = rows.n_patients
    variance = float((rows.per_patient(influence) ** 2).sum()) / len(rows) ** 2
    if value > 1 - 1e-12:
        interval = _perfect(rows, 1 - chance, level)
    elif m > 1 and variance > 1e-18:
        quantile = t_of(level, m) if rows.clustered else z_of(level)
        limits = fisher_interval(value, variance * m / (m - 1), quantile)
        interval = Interval(*limits, "delta method by patient, Fisher's z scale")
    else:
        return undefined(name, rows, level, "no spread").model_copy(update={"value": value})
    return Estimate(
        name=name,
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        method=interval.method,
        n_images=len(rows),
        n_patients=m,
    )


def _perfect(rows: ScoredRows, chance: float, level: float) -> Interval:
    """Return the interval of an agreement of 1: that of the share of images agreed upon."""
    every = rows.per_patient(np.ones(len(rows)))
    share = clustered_wilson(every, every, level)
    lower = (share.lower - chance) / (1 - chance)
    return Interval(lower, 1.0, f"{share.method}, limit of agreement at these margins")
