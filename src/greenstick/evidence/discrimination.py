"""How well scores rank images with a fracture above those without."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import rankdata

from greenstick.evidence.estimates import Estimate
from greenstick.evidence.intervals import Interval, logit_interval, t_of, z_of
from greenstick.evidence.rows import Bools, Floats, ScoredRows, undefined


@dataclass(frozen=True, eq=False)
class Placements:
    """What each image adds to the AUROC (DeLong et al. 1988).

    Attributes
    ----------
    auroc
        Chance that an image with a fracture scores above one without, ties counting half.
    values
        (n,) for an image with a fracture the share of those without that score below it; for one
        without, the share of those with a fracture that score above it.
    """

    auroc: float
    values: Floats


def placements(labels: Bools, scores: Floats) -> Placements:
    """Return the AUROC and its placements from midranks (Sun & Xu 2014), in n log n time.

    Raises
    ------
    ValueError
        Where one of the classes is absent.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        raise ValueError("the AUROC needs both classes")
    ranks = rankdata(scores)
    values = np.empty(len(scores))
    values[labels] = (ranks[labels] - rankdata(scores[labels])) / negatives
    values[~labels] = 1 - (ranks[~labels] - rankdata(scores[~labels])) / positives
    return Placements(float(values[labels].mean()), values)


def auroc_variance(rows: ScoredRows, placed: Placements) -> float:
    """Return the variance of the AUROC (DeLong 1988; clustered: Obuchowski 1997).

    With one image a patient the clustered variance is DeLong's.
    """
    return float(auroc_covariance(rows, [placed])[0, 0])


def auroc_covariance(rows: ScoredRows, placed: list[Placements]) -> NDArray[np.float64]:
    """Return the (models, models) covariance of the AUROCs of several models on the same rows.

    DeLong (1988) where each patient has one image, else Obuchowski (1997).
    """
    labels = rows.labels
    positives, negatives = int(labels.sum()), int((~labels).sum())
    with_fracture, without = rows.patients_by_class
    tenths = [rows.per_patient(np.where(labels, p.values - p.auroc, 0)) / positives for p in placed]
    firsts = [rows.per_patient(np.where(labels, 0, p.values - p.auroc)) / negatives for p in placed]
    x, y = np.stack(tenths), np.stack(firsts)
    cross = x @ y.T
    return np.asarray(
        _few(with_fracture) * x @ x.T
        + _few(without) * y @ y.T
        + _few(rows.n_patients) * (cross + cross.T)
    )


def _few(n: int) -> float:
    return n / (n - 1) if n > 1 else np.nan


def auroc(rows: ScoredRows, level: float = 0.95) -> Estimate:
    """Return the AUROC with its DeLong interval on the logit scale.

    Where patients have several images the variance is Obuchowski's (1997), and the quantile
    Student's with the patients of the rarer class: simulation showed the normal one to cover too
    seldom (``benchmarks/coverage.py``). Where the variance is zero
    (perfect ranking, or all scores alike) the interval is Newcombe's (2006), with patients as
    the sample size.
    """
    if rows.labels.all() or not rows.labels.any():
        return undefined("AUROC", rows, level, "only one class")
    placed = placements(rows.labels, rows.scores)
    variance = auroc_variance(rows, placed)
    if np.isfinite(variance) and variance > 1e-18:
        fewest = min(rows.patients_by_class)
        quantile = t_of(level, fewest) if rows.clustered else z_of(level)
        lower, upper = logit_interval(placed.auroc, variance, quantile)
        method = "DeLong (1988), logit scale"
        if rows.clustered:
            method = f"DeLong for clustered data (Obuchowski 1997), logit scale, t({fewest - 1})"
    else:
        limits = newcombe(placed.auroc, *rows.patients_by_class, level)
        lower, upper, method = limits.lower, limits.upper, limits.method
    return Estimate(
        name="AUROC",
        value=placed.auroc,
        lower=lower,
        upper=upper,
        level=level,
        method=method,
        n_images=len(rows),
        n_patients=rows.n_patients,
    )


def newcombe(auroc: float, positives: int, negatives: int, level: float = 0.95) -> Interval:
    """Return Newcombe's (2006) method 5 interval of an AUROC, which stands at 0 and 1 too.

    It solves |auroc - t| = z sd(t), with Hanley and McNeil's variance for exponential scores in
    which both sample sizes in the numerator are replaced by their mean.
    """
    z = z_of(level)
    mean = (positives + negatives) / 2 - 1

    def excess(t: float) -> float:
        spread = 1 + mean * ((1 - t) / (2 - t) + t / (1 + t))
        return (auroc - t) ** 2 - z**2 * t * (1 - t) * spread / (positives * negatives)

    lower = float(brentq(excess, 0.0, auroc * (1 - 1e-12))) if auroc > 0 else 0.0
    upper = float(brentq(excess, auroc + 1e-12 * (1 - auroc), 1.0)) if auroc < 1 else 1.0
    return Interval(lower, upper, "Newcombe (2006), method 5")
