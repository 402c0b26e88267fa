"""How far probabilities are from what happens, and in which way."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from greenstick.evidence.estimates import BrierParts, Estimate, SignificanceTest
from greenstick.evidence.intervals import t_of, z_of
from greenstick.evidence.reliability import (
    Binning,
    brier_parts,
    equal_mass,
    equal_width,
)
from greenstick.evidence.rows import Floats, ScoredRows

#: How many times noise is drawn for the interval of a calibration error.
DRAWS = 4000
#: Takes (..., bins) gaps and returns (...) how large they are together.
Size = Callable[[Floats], Floats]


@dataclass(frozen=True)
class CalibrationFigures:
    """Everything on calibration that needs no bootstrap."""

    estimates: list[Estimate]
    parts: BrierParts
    tests: list[SignificanceTest]


def judge_calibration(
    rows: ScoredRows, *, level: float = 0.95, seed: int = 0
) -> CalibrationFigures:
    """Judge scores that are probabilities.

    The estimates are ``ECE`` and ``MCE`` over ten bins of equal width and ``ECE (equal mass)``
    over bins of as many images, each plain and debiased; ``calibration slope`` and
    ``calibration intercept``.
    """
    width, mass = equal_width(rows.scores), equal_mass(rows.scores)
    mass_name = "ECE (equal mass)"
    return CalibrationFigures(
        estimates=[
            *expected_error(rows, width, level=level, seed=seed),
            *expected_error(rows, mass, name=mass_name, level=level, seed=seed),
            *greatest_error(rows, width, level=level, seed=seed),
            slope(rows, level),
            intercept(rows, level),
        ],
        parts=brier_parts(rows, width),
        tests=[spiegelhalter(rows)],
    )


def expected_error(
    rows: ScoredRows, binning: Binning, *, name: str = "ECE", level: float = 0.95, seed: int = 0
) -> list[Estimate]:
    """Return the expected calibration error as everybody computes it, and without its bias.

    The plain ECE (Naeini et al. 2015) is never negative, so that noise alone makes it large in
    small samples, and a bootstrap of it does not cover the truth. Here a true size is believed
    where the ECE observed is neither among the smallest nor among the largest of those drawn with
    it: gaps between score and outcome of that size, plus noise with the covariance that patients
    show (hybrid resampling, Chuang & Lai 2000). The gaps of that size are those nearest
    to the observed ones: each is moved in proportion to its variance, and none past zero. For the
    debiased estimate the observed gaps are scaled until the ECE observed is the median drawn.

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
        ``ECE``, whose upper limit is at least the value itself, and ``ECE, debiased``.
    """
    return _error(rows, binning, _total, name, level, seed)


def greatest_error(
    rows: ScoredRows, binning: Binning, *, level: float = 0.95, seed: int = 0
) -> list[Estimate]:
    """Return the error of the worst bin (MCE), plain and debiased as by :func:`expected_error`.

    In small samples it is that of the smallest bin, and mostly noise.
    """
    n = np.bincount(binning.of_row, minlength=binning.n) / len(rows)
    return _error(rows, binning, partial(_greatest, n=n), "MCE", level, seed)


def _total(gaps: Floats) -> Floats:
    return np.asarray(np.abs(gaps).sum(axis=-1))


def _greatest(gaps: Floats, n: Floats) -> Floats:
    return np.asarray((np.abs(gaps[..., n > 0]) / n[n > 0]).max(axis=-1))


def _error(
    rows: ScoredRows, binning: Binning, size: Size, name: str, level: float, seed: int
) -> list[Estimate]:
    gaps = _gaps(rows, binning)
    plain = float(size(gaps.sum(axis=0)))
    if rows.n_patients < 2:
        return [estimate(name, plain, None, None, "none: only one patient", rows, level)]
    tail = 0.5 - level / 2
    noise = _noise(gaps, np.random.Generator(np.random.PCG64(seed)))
    lower, middle, upper = _sizes(gaps.sum(axis=0), noise, size, tail)
    method = f"hybrid resampling by patient, {binning.n} bins"
    return [
        estimate(name, plain, lower, max(upper, plain), method, rows, level),
        estimate(
            f"{name}, debiased", middle, lower, upper, f"{method}; median-unbiased", rows, level
        ),
    ]


def _gaps(rows: ScoredRows, binning: Binning) -> Floats:
    """Return the (patients, bins) sums of score minus label, over the number of images."""
    cell = rows.patients * binning.n + binning.of_row
    size = rows.n_patients * binning.n
    sums = np.bincount(cell, rows.scores - rows.labels, minlength=size)
    return sums.reshape(rows.n_patients, binning.n) / len(rows)


def _noise(gaps: Floats, generator: np.random.Generator) -> Floats:
    """Return (draws, bins) errors of the summed gaps, with the covariance that patients show.

    That covariance is itself uncertain where there are few patients: the errors are Student's.
    """
    m = len(gaps)
    residuals = gaps - gaps.mean(axis=0)
    values, vectors = np.linalg.eigh(residuals.T @ residuals * m / (m - 1))
    noise = generator.normal(size=(DRAWS, gaps.shape[1])) * np.sqrt(np.maximum(values, 0))
    noise /= np.sqrt(generator.chisquare(m - 1, size=(DRAWS, 1)) / (m - 1))
    return np.asarray(noise @ vectors.T)


def _sizes(total: Floats, noise: Floats, size: Size, tail: float) -> tuple[float, float, float]:
    """Return the lower limit, the debiased value and the upper limit of the true size."""
    variance = (noise**2).mean(axis=0)
    reach = variance / max(float(np.sqrt(variance.sum())), 1e-300)
    # A bin that hardly varies would start the search immeasurably far away.
    observed, varies = size(total), reach > 1e-9 * reach.max(initial=0.0)
    nearest = -float((np.abs(total[varies]) / reach[varies]).max(initial=0.0))

    def moved(by: float) -> Floats:
        return np.asarray(np.sign(total) * np.maximum(np.abs(total) + by * reach, 0.0))

    def scaled(by: float) -> Floats:
        return by * total

    def believed(gaps: Callable[[float], Floats], share: float, low: float) -> float:
        def excess(by: float) -> float:
            return float(np.quantile(size(gaps(by) + noise), share) - observed)

        return float(size(gaps(_root(excess, low))))

    lower, upper = (believed(moved, share, nearest) for share in (1 - tail, tail))
    return lower, float(np.clip(believed(scaled, 0.5, 0.0), lower, upper)), upper


def _root(excess: Callable[[float], float], low: float) -> float:
    """Return where a rising function crosses zero, ``low`` where it starts above."""
    if excess(low) >= 0:
        return low
    step = 2.0
    while excess(low + step) < 0:
        step *= 2
    return float(brentq(excess, low, low + step, xtol=1e-6))


def estimate(
    name: str,
    value: float | None,
    lower: float | None,
    upper: float | None,
    method: str,
    rows: ScoredRows,
    level: float,
) -> Estimate:
    """Return an estimate on all of the rows."""
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


def slope(rows: ScoredRows, level: float = 0.95) -> Estimate:
    """Return the calibration slope (Cox 1958): 1 is right, below 1 the scores are too sure.

    It is the coefficient of logit(score) in a logistic regression of the label; the interval
    allows for patients with several images (sandwich, Liang & Zeger 1986).
    """
    features = np.column_stack([np.ones(len(rows)), _logits(rows)])
    return _coefficient("calibration slope", features, np.zeros(len(rows)), rows, level)


def intercept(rows: ScoredRows, level: float = 0.95) -> Estimate:
    """Return the calibration intercept, or calibration in the large: 0 is right.

    Above 0 fractures are more common than the scores say (in log odds, at slope 1).
    """
    return _coefficient(
        "calibration intercept", np.ones((len(rows), 1)), _logits(rows), rows, level
    )


def _logits(rows: ScoredRows) -> Floats:
    tiny = np.finfo(np.float64).eps
    return np.asarray(logit(np.clip(rows.scores, tiny, 1 - tiny)))


def _coefficient(
    name: str, features: Floats, offset: Floats, rows: ScoredRows, level: float
) -> Estimate:
    weights = _fitted(features, offset, rows)
    if weights is None or rows.n_patients < 2:
        why = "not estimable: separable rows, one class, or a constant score"
        return estimate(name, None, None, None, why, rows, level)
    p = expit(features @ weights + offset)
    bread = np.linalg.inv((features * (p * (1 - p))[:, None]).T @ features)
    by_patient = np.stack([rows.per_patient(c * (rows.labels - p)) for c in features.T])
    m = rows.n_patients
    variance = (bread @ (by_patient @ by_patient.T) @ bread)[-1, -1] * m / (m - 1)
    half = (t_of(level, m) if rows.clustered else z_of(level)) * float(np.sqrt(variance))
    value = float(weights[-1])
    method = "logistic recalibration (Cox 1958), sandwich by patient"
    return estimate(name, value, value - half, value + half, method, rows, level)


def _fitted(features: Floats, offset: Floats, rows: ScoredRows) -> Floats | None:
    """Return the coefficients of most likelihood by Newton's method, None where there are none."""
    spread = np.ptp(features[:, -1]) > 0 or features.shape[1] == 1
    if rows.labels.all() or not rows.labels.any() or not spread:
        return None
    weights = np.zeros(features.shape[1])
    for _ in range(50):
        p = expit(features @ weights + offset)
        curvature = (features * (p * (1 - p))[:, None]).T @ features
        if np.linalg.cond(curvature) > 1e14:
            return None
        step = np.linalg.solve(curvature, features.T @ (rows.labels - p))
        step *= min(1.0, 2.0 / float(np.abs(step).max(initial=1e-300)))  # no wild leaps
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            return weights
    return None


def spiegelhalter(rows: ScoredRows) -> SignificanceTest:
    """Test whether the scores are calibrated (Spiegelhalter 1986), two-sided.

    Where patients have several images the variance is that of the patients' sums, not the one
    that independent images would have.
    """
    part = (rows.labels - rows.scores) * (1 - 2 * rows.scores)
    if rows.clustered:
        variance = float((rows.per_patient(part) ** 2).sum())
        method = "Spiegelhalter (1986), variance by patient"
    else:
        own = (1 - 2 * rows.scores) ** 2 * rows.scores * (1 - rows.scores)
        variance = float(own.sum())
        method = "Spiegelhalter (1986)"
    known = variance > 0
    z = float(part.sum() / np.sqrt(variance)) if known else None
    return SignificanceTest(
        name="Spiegelhalter's test",
        question="Are the scores calibrated?",
        statistic=z,
        p_value=None if z is None else float(2 * norm.sf(abs(z))),
        method=method,
    )
