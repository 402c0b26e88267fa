"""What holds for all readers of a study, and for others like them (Obuchowski & Rockette 1995).

The variance of a mean over readers has two sources: the images, which all readers share, and the
readers themselves. Names of mean squares and covariances are those of Hillis et al. (2005).
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import chi2, f

from greenstick.evidence.estimates import Difference, Estimate, Record, SignificanceTest
from greenstick.evidence.rows import Floats

Readers = Literal["random", "fixed"]
#: Degrees of freedom at which Student's t is the normal distribution.
MANY = 1e9


class Components(Record):
    """Where the variance comes from, for planning a study; estimates, and so at times negative.

    Attributes
    ----------
    reader, modality_by_reader
        Variance between readers, and of what a modality does to each of them.
    cov1, cov2, cov3
        Covariance of one reader's figures under two modalities, of two readers' under one, and
        of two readers' under two; over samples of images.
    error
        Variance of one figure over samples of images.
    """

    reader: float
    modality_by_reader: float
    cov1: float
    cov2: float
    cov3: float
    error: float


class ModalityContrast(Record):
    """A figure's mean over readers under two modalities; the difference is second minus first."""

    first: str
    second: str
    difference: Difference


class MultiReader(Record):
    """One figure's mean over readers, and how modalities differ in it.

    Attributes
    ----------
    figure
        ``"AUROC"``, ``"sensitivity"`` or ``"specificity"``.
    readers
        ``"random"``: what holds for readers like these on images like these. ``"fixed"``: for
        these very readers on images like these.
    means
        One estimate a modality, named ``"<figure>, <modality>"``.
    contrasts
        Each pair of modalities.
    test
        Whether all modalities are the same: F where readers are random, chi-square where they
        are fixed; None for a single modality.
    components
        None for a single modality, a single reader, or a single patient of a class.
    """

    figure: str
    readers: Readers
    n_readers: int
    means: list[Estimate]
    contrasts: list[ModalityContrast]
    test: SignificanceTest | None
    components: Components | None


@dataclass(frozen=True, eq=False)
class ReaderFigures:
    """One figure of r readers under t modalities, all on the same images.

    Attributes
    ----------
    name
        What the figure is.
    modalities
        (t,) names.
    values
        (t, r) the figure.
    covariance
        (t, r, t, r) over samples of images.
    n_images, n_patients
        How many images the figure is a statement about, of how many patients.
    """

    name: str
    modalities: tuple[str, ...]
    values: Floats
    covariance: Floats
    n_images: int
    n_patients: int


def judge_all_readers(figures: ReaderFigures, readers: Readers, level: float = 0.95) -> MultiReader:
    """Return a figure's mean over readers and its differences between modalities.

    Random readers: F test and Student's t with the denominator degrees of freedom of Hillis
    (2007), each mean from its own modality alone. Fixed readers: normal and chi-square.

    Parameters
    ----------
    figures
        Of at least two readers where these are random.
    readers
        Whether conclusions are to hold for other readers too.
    level
        Nominal coverage.
    """
    t, r = figures.values.shape
    several = t > 1 and r > 1 and bool(np.isfinite(figures.covariance).all())
    return MultiReader(
        figure=figures.name,
        readers=readers,
        n_readers=r,
        means=[_mean(figures, i, readers, level) for i in range(t)],
        contrasts=[_contrast(figures, i, j, readers, level) for i, j in combinations(range(t), 2)],
        test=_same_everywhere(figures, readers) if t > 1 else None,
        components=_components(figures) if several else None,
    )


@dataclass(frozen=True)
class _MeanSquares:
    """Of modalities, readers, and their interaction; the last two 0 for one reader."""

    modality: float
    reader: float
    both: float


def _mean_squares(values: Floats) -> _MeanSquares:
    t, r = values.shape
    by_modality, by_reader = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_modality[:, None] - by_reader + values.mean()
    return _MeanSquares(
        modality=r * float(by_modality.var(ddof=1)) if t > 1 else 0.0,
        reader=t * float(by_reader.var(ddof=1)) if r > 1 else 0.0,
        both=float((rest**2).sum()) / ((t - 1) * (r - 1)) if t > 1 and r > 1 else 0.0,
    )


@dataclass(frozen=True)
class _Covariances:
    error: float
    cov1: float
    cov2: float
    cov3: float


def _covariances(covariance: Floats) -> _Covariances:
    """Return the means of the four kinds of entries of a (t, r, t, r) covariance."""
    t, r = covariance.shape[:2]
    same_modality = np.eye(t, dtype=np.bool_)[:, None, :, None]
    same_reader = np.eye(r, dtype=np.bool_)[None, :, None, :]

    def mean(where: np.ndarray) -> float:
        chosen = covariance[np.broadcast_to(where, covariance.shape)]
        return float(chosen.mean()) if len(chosen) else 0.0

    return _Covariances(
        error=mean(same_modality & same_reader),
        cov1=mean(~same_modality & same_reader),
        cov2=mean(same_modality & ~same_reader),
        cov3=mean(~same_modality & ~same_reader),
    )


def _components(figures: ReaderFigures) -> Components:
    t = len(figures.values)
    ms, c = _mean_squares(figures.values), _covariances(figures.covariance)
    return Components(
        reader=(ms.reader - ms.both) / t - c.cov1 + c.cov3,
        modality_by_reader=ms.both - c.error + c.cov1 + max(c.cov2 - c.cov3, 0.0),
        cov1=c.cov1,
        cov2=c.cov2,
        cov3=c.cov3,
        error=c.error,
    )


@dataclass(frozen=True)
class _Spread:
    """Standard error and degrees of freedom; infinite for a normal distribution."""

    error: float
    freedom: float
    method: str


def _spread_of_mean(figures: ReaderFigures, i: int, readers: Readers) -> _Spread:
    values, r = figures.values[i], figures.values.shape[1]
    c = _covariances(figures.covariance[i : i + 1, :, i : i + 1, :])
    if readers == "fixed":
        error = np.sqrt((c.error + (r - 1) * max(c.cov2, 0.0)) / r)
        return _Spread(float(error), np.inf, "Obuchowski & Rockette (1995), fixed readers")
    between = float(values.var(ddof=1))
    total = between + r * max(c.cov2, 0.0)
    return _Spread(float(np.sqrt(total / r)), *_hillis(total, between, r - 1))


def _spread_of_difference(figures: ReaderFigures, readers: Readers) -> _Spread:
    t, r = figures.values.shape
    c = _covariances(figures.covariance)
    if readers == "fixed":
        total = c.error - c.cov1 + (r - 1) * max(c.cov2 - c.cov3, 0.0)
        method = "Obuchowski & Rockette (1995), fixed readers"
        return _Spread(float(np.sqrt(2 / r * max(total, 0.0))), np.inf, method)
    both = _mean_squares(figures.values).both
    total = both + r * max(c.cov2 - c.cov3, 0.0)
    return _Spread(float(np.sqrt(2 / r * total)), *_hillis(total, both, (t - 1) * (r - 1)))


def _hillis(total: float, mean_square: float, freedom: int) -> tuple[float, str]:
    """Return the degrees of freedom of a sum whose first part alone is estimated from readers."""
    degrees = freedom * (total / mean_square) ** 2 if mean_square > 1e-300 else np.inf
    shown = f"t({degrees:.1f})" if degrees < MANY else "normal"
    return degrees, f"Obuchowski & Rockette (1995), random readers, {shown} by Hillis (2007)"


def _quantile(level: float, freedom: float) -> float:
    return float(stdtrit(min(freedom, MANY), 0.5 + level / 2))


def _mean(figures: ReaderFigures, i: int, readers: Readers, level: float) -> Estimate:
    value, spread = float(figures.values[i].mean()), _spread_of_mean(figures, i, readers)
    half = _quantile(level, spread.freedom) * spread.error
    known = spread.error > 1e-9
    return Estimate(
        name=f"{figures.name}, {figures.modalities[i]}",
        value=value,
        lower=max(0.0, value - half) if known else None,
        upper=min(1.0, value + half) if known else None,
        level=level,
        method=spread.method if known else "none: no spread",
        n_images=figures.n_images,
        n_patients=figures.n_patients,
    )


def _contrast(
    figures: ReaderFigures, i: int, j: int, readers: Readers, level: float
) -> ModalityContrast:
    first, second = float(figures.values[i].mean()), float(figures.values[j].mean())
    spread = _spread_of_difference(figures, readers)
    return ModalityContrast(
        first=figures.modalities[i],
        second=figures.modalities[j],
        difference=_difference(figures.name, first, second, spread, level),
    )


def _difference(
    name: str, first: float, second: float, spread: _Spread, level: float
) -> Difference:
    """Return second minus first with its interval and test."""
    known = spread.error > 1e-9
    half = _quantile(level, spread.freedom) * spread.error
    gap = second - first
    tail = stdtr(min(spread.freedom, MANY), -abs(gap) / spread.error) if known else 0.5
    return Difference(
        name=name,
        first=first,
        second=second,
        difference=gap,
        lower=gap - half if known else None,
        upper=gap + half if known else None,
        level=level,
        method=spread.method if known else "none: no spread",
        p_value=float(2 * tail) if known else None,
        test=spread.method if known else "",
    )


def _same_everywhere(figures: ReaderFigures, readers: Readers) -> SignificanceTest:
    """Test whether a figure is the same under all modalities."""
    t, r = figures.values.shape
    between = _mean_squares(figures.values).modality
    spread = _spread_of_difference(figures, readers)
    total = spread.error**2 * r / 2
    statistic = between / total if total > 1e-18 else None
    if statistic is None:
        p_value = None
    elif readers == "random":
        p_value = float(f.sf(statistic, t - 1, min(spread.freedom, MANY)))
    else:
        statistic *= t - 1
        p_value = float(chi2.sf(statistic, t - 1))
    kind = f"F({t - 1}, {spread.freedom:.1f})" if readers == "random" else f"chi-square({t - 1})"
    return SignificanceTest(
        name="Obuchowski and Rockette's test",
        question=f"Is the {figures.name} the same under all modalities?",
        statistic=statistic,
        p_value=p_value,
        method="none: no spread" if statistic is None else f"{kind}, {spread.method}",
    )


def judge_model_against_readers(
    name: str, model: float, values: Floats, covariance: Floats, level: float = 0.95
) -> Difference:
    """Return how a model differs from the mean of readers like these (model minus readers).

    Each reader's gap to the model is taken as that reader's figure under a single modality, with
    readers random and the model fixed (Hillis et al. 2005).

    Parameters
    ----------
    name
        What the figure is.
    model
        The model's figure.
    values
        (r,) the readers' figures on the same images, r at least 2.
    covariance
        (r + 1, r + 1) of all of them over samples of images, the model last.
    """
    gaps = model - values
    r = len(values)
    turn = np.hstack([-np.eye(r), np.ones((r, 1))])
    of_gaps = (turn @ covariance @ turn.T)[None, :, None, :]
    figures = ReaderFigures(name, ("",), gaps[None], of_gaps.reshape(1, r, 1, r), 0, 0)
    spread = _spread_of_mean(figures, 0, "random")
    return _difference(name, float(values.mean()), model, spread, level)
