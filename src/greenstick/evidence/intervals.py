"""Intervals in closed form, for images that come several to a patient or one by one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri, stdtrit
from scipy.stats import beta

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Lower and upper limit, and the method that gave them."""

    lower: float
    upper: float
    method: str


def z_of(level: float) -> float:
    """Return the normal quantile of a two-sided interval, e.g. 1.96 for 0.95."""
    return float(ndtri(0.5 + level / 2))


def t_of(level: float, patients: int) -> float:
    """Return Student's quantile of a two-sided interval for few patients; infinite for one."""
    return float(stdtrit(patients - 1, 0.5 + level / 2)) if patients > 1 else np.inf


def expanded(level: float, patients: int) -> float:
    """Return the level at which a bootstrap of few patients covers as often as it should.

    Bootstrap limits are too narrow by the factor between normal and t, and by that between n and
    n - 1 (Hesterberg 2015, "expanded percentile"); for many patients this is the level itself.
    """
    wide = t_of(level, patients) * np.sqrt(patients / (patients - 1)) if patients > 1 else np.inf
    return float(2 * ndtr(wide) - 1)


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion (Wilson 1927).

    ``successes`` and ``n`` may be fractional, as effective sample sizes are; no trial gives the
    whole of [0, 1].
    """
    if n <= 0:
        return Interval(0.0, 1.0, "none: no trials")
    z = z_of(level)
    share = successes / n
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    lower = 0.0 if successes <= 0 else max(0.0, float(center - half))
    upper = 1.0 if successes >= n else min(1.0, float(center + half))
    return Interval(lower, upper, "Wilson (1927)")


def clopper_pearson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return the interval that never covers less than its level (Clopper & Pearson 1934)."""
    if n <= 0:
        return Interval(0.0, 1.0, "none: no trials")
    tail = (1 - level) / 2
    lower = 0.0 if successes <= 0 else float(beta.ppf(tail, successes, n - successes + 1))
    upper = 1.0 if successes >= n else float(beta.ppf(1 - tail, successes + 1, n - successes))
    return Interval(lower, upper, "Clopper-Pearson (1934)")


def effective_n(successes: Floats, trials: Floats, level: float = 0.95) -> float:
    """Return the number of independent trials that clustered trials are worth.

    The design effect is that of the ratio estimator (Rao & Scott 1992), never below 1; few
    patients are allowed for by the t distribution (Korn & Graubard 1998). Where all trials agree
    there is nothing to estimate a design effect from: each patient then counts once.

    Parameters
    ----------
    successes, trials
        (patients,) counts; patients without a trial are left out.
    """
    used = trials > 0
    successes, trials = successes[used], trials[used]
    n, patients = float(trials.sum()), len(trials)
    if patients == n:
        return n
    if patients < 2:
        return 1.0
    share = float(successes.sum()) / n
    if share in (0.0, 1.0):
        return float(patients)
    residuals = successes - share * trials
    variance = patients / (patients - 1) * float((residuals**2).sum()) / n**2
    effect = max(1.0, variance / (share * (1 - share) / n))
    few = (z_of(level) / t_of(level, patients)) ** 2
    return max(1.0, float(n / effect * few))


def clustered_wilson(successes: Floats, trials: Floats, level: float = 0.95) -> Interval:
    """Return Wilson's interval with the effective number of trials.

    With one trial a patient it is Wilson's own. Dean & Pagano (2015) found this pairing the best
    of those for proportions in clustered data.

    Parameters
    ----------
    successes, trials
        (patients,) counts.
    """
    n = float(trials.sum())
    if n == 0:
        return wilson(0, 0, level)
    if trials.max() <= 1:
        return wilson(float(successes.sum()), n, level)
    effective = effective_n(successes, trials, level)
    plain = wilson(float(successes.sum()) / n * effective, effective, level)
    method = "Wilson (1927), effective n by patient (Korn & Graubard 1998)"
    return Interval(plain.lower, plain.upper, method)


def mover_difference(
    first: float, a: Interval, second: float, b: Interval, correlation: float = 0.0
) -> Interval:
    """Return the interval of first minus second from the interval of each.

    The method of variance estimates recovery (Zou & Donner 2008); for two proportions with
    Wilson's limits it is Newcombe's (1998) method 10, and with the correlation of paired ones his
    method for those.
    """
    low_a, up_a = first - a.lower, a.upper - first
    low_b, up_b = second - b.lower, b.upper - second
    low = np.sqrt(max(0.0, low_a**2 + up_b**2 - 2 * correlation * low_a * up_b))
    up = np.sqrt(max(0.0, up_a**2 + low_b**2 - 2 * correlation * up_a * low_b))
    gap = first - second
    return Interval(float(gap - low), float(gap + up), f"MOVER (2008) from {a.method}")


def mover_mean(
    first: float, a: Interval, second: float, b: Interval, correlation: float = 0.0
) -> Interval:
    """Return the interval of the mean of two proportions from the interval of each.

    It is the difference of the first and what the second lacks to 1, see
    :func:`mover_difference`.
    """
    rest = Interval(1 - b.upper, 1 - b.lower, b.method)
    gap = mover_difference(first, a, 1 - second, rest, -correlation)
    return Interval((1 + gap.lower) / 2, (1 + gap.upper) / 2, gap.method)


def mover_ratio(
    first: float, a: Interval, second: float, b: Interval, correlation: float = 0.0
) -> Interval:
    """Return the interval of a ratio of two proportions from the interval of each.

    MOVER-R (Donner & Zou 2012); an upper limit without bound is infinite. Estimates of 0 need no
    correction.
    """
    product = first * second
    low_term = product - correlation * (first - a.lower) * (b.upper - second)
    up_term = product - correlation * (a.upper - first) * (second - b.lower)
    low_root = low_term**2 - a.lower * b.upper * (2 * first - a.lower) * (2 * second - b.upper)
    up_root = up_term**2 - a.upper * b.lower * (2 * first - a.upper) * (2 * second - b.lower)
    low_scale = b.upper * (2 * second - b.upper)
    up_scale = b.lower * (2 * second - b.lower)
    lower = _limit(low_term - np.sqrt(max(0.0, low_root)), low_scale, 0.0)
    upper = _limit(up_term + np.sqrt(max(0.0, up_root)), up_scale, np.inf)
    return Interval(max(0.0, lower), upper, f"MOVER-R (2012) from {a.method}")


def _limit(numerator: float, denominator: float, otherwise: float) -> float:
    return float(numerator / denominator) if denominator != 0 else otherwise


def logit_interval(value: float, variance: float, quantile: float) -> tuple[float, float]:
    """Return the limits of a share within (0, 1), symmetric on the logit scale."""
    half = quantile * np.sqrt(variance) / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def fisher_interval(value: float, variance: float, quantile: float) -> tuple[float, float]:
    """Return the limits of a correlation within (-1, 1), symmetric on Fisher's z scale."""
    half = quantile * np.sqrt(variance) / (1 - value**2)
    return float(np.tanh(np.arctanh(value) - half)), float(np.tanh(np.arctanh(value) + half))


def percentile(replicates: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap limits; replicates that are NaN are left out."""
    low, high = bands(replicates[:, None], level)
    return float(low[0]), float(high[0])


def bands(replicates: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the (k,) pointwise percentile limits of (replicates, k) values, NaN rows left out."""
    kept = replicates[np.isfinite(replicates).all(axis=1)]
    low, high = np.quantile(kept, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return low, high


def bca(
    value: float, replicates: Floats, left_out: Floats, level: float = 0.95
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap limits (Efron 1987).

    Parameters
    ----------
    value
        The estimate on all rows.
    replicates
        (replicates,) bootstrap values; NaN ones are left out.
    left_out
        (groups,) jackknife values, each without one group of patients; NaN ones are left out.
    """
    kept = replicates[np.isfinite(replicates)]
    below = ((kept < value).sum() + 0.5 * (kept == value).sum()) / len(kept)
    if not 0 < below < 1:  # no bias can be read off: all replicates on one side
        return percentile(kept, level)
    bias, acceleration = ndtri(below), _acceleration(left_out[np.isfinite(left_out)])
    ends = ndtri([0.5 - level / 2, 0.5 + level / 2])
    tails = np.clip(ends, -8.0, 8.0) + bias  # a level of all but 1 would be infinite
    shares = ndtr(bias + tails / (1 - acceleration * tails))
    low, high = np.quantile(kept, np.clip(shares, 0, 1))
    return float(low), float(high)


def _acceleration(left_out: Floats) -> float:
    """Return a sixth of the skewness of the jackknife; 0 where it has no spread."""
    if not len(left_out):
        return 0.0
    influence = left_out.mean() - left_out
    scale = float((influence**2).sum()) ** 1.5
    return float((influence**3).sum()) / (6 * scale) if scale > 1e-300 else 0.0
