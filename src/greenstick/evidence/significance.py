"""Tests of a difference, and what many tests at once cost."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, norm
from scipy.stats import t as student

from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import SignificanceTest
from greenstick.evidence.rows import Floats


def mcnemar(only_first: int, only_second: int) -> SignificanceTest:
    """Test whether two models are as often right, by images on which one alone is.

    Mid-p version of the exact test (Fagerland et al. 2013), two-sided.
    """
    n, less = only_first + only_second, min(only_first, only_second)
    p = 2 * binom.cdf(less, n, 0.5) - binom.pmf(less, n, 0.5) if n else 1.0
    return SignificanceTest(
        name="McNemar's test",
        question="Are the two as often right?",
        statistic=float(only_second - only_first),
        p_value=float(min(1.0, p)),
        method="McNemar, exact mid-p (Fagerland et al. 2013)",
    )


def clustered_mcnemar(first: Floats, second: Floats) -> SignificanceTest:
    """Test the same where patients have several images (Obuchowski 1998), two-sided.

    Parameters
    ----------
    first, second
        (patients,) how many of each patient's images either model is right on.
    """
    gap = second - first
    variance = float((gap**2).sum())
    z = float(gap.sum()) / float(np.sqrt(variance)) if variance > 0 else 0.0
    return SignificanceTest(
        name="McNemar's test",
        question="Are the two as often right?",
        statistic=z,
        p_value=float(2 * norm.sf(abs(z))),
        method="McNemar for clustered data (Obuchowski 1998)",
    )


def holm(p_values: ArrayLike) -> Floats:
    """Return p values corrected for their number (Holm 1979), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def resampled_t(differences: ArrayLike, test_share: float) -> SignificanceTest:
    """Test a mean difference over repeated cross-validation (Nadeau & Bengio 2003).

    Folds share training images, so that the usual t test finds differences that are none; the
    variance is raised by test_share / (1 - test_share).

    Parameters
    ----------
    differences
        (folds,) second minus first on each test fold.
    test_share
        Share of the images in a test fold, e.g. 0.2 for five folds.

    Raises
    ------
    GreenstickError
        Where there are fewer than two folds.
    """
    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2:
        raise GreenstickError("One fold cannot be tested.", remedy="Give at least two folds.")
    variance = float(d.var(ddof=1)) * (1 / len(d) + test_share / (1 - test_share))
    statistic = float(d.mean()) / float(np.sqrt(variance)) if variance > 0 else None
    return SignificanceTest(
        name="corrected resampled t test",
        question="Is the mean difference zero?",
        statistic=statistic,
        p_value=None if statistic is None else float(2 * student.sf(abs(statistic), len(d) - 1)),
        method="Nadeau & Bengio (2003)",
    )
