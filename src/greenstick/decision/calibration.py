"""From a network's logit to a probability: fitted on one set of rows, applied to another."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.optimize import isotonic_regression, minimize, minimize_scalar
from scipy.special import expit, log_expit, softmax

from greenstick.decision.operating_points import checked
from greenstick.decision.provenance import ChosenOn, kept

Floats = NDArray[np.float64]
#: The temperature is kept within these bounds, so that a fit on separable rows stays finite.
BOUNDS = (0.05, 20.0)


class Calibrator(ChosenOn):
    """What every calibration keeps of where it comes from.

    Attributes
    ----------
    fitted_on
        Name of the rows that it was fitted on, e.g. ``"valid"``.
    n
        How many rows these were.
    at_bound
        Whether the fit ran into a bound, as it does where the rows are separable or the logits
        say nothing; the probabilities are then not to be trusted.
    fingerprint, sample, images
        What is kept of the rows: of their labels with the logits, and with the probabilities
        that became of these; see :mod:`greenstick.decision.provenance`.
    """

    fitted_on: str
    n: int
    at_bound: bool = False


class Temperature(Calibrator):
    """One number that a logit is divided by before the sigmoid (Guo et al. 2017).

    Attributes
    ----------
    value
        The temperature: above 1 the network was too sure of itself, below 1 not sure enough.
    """

    method: Literal["temperature"] = "temperature"
    value: float

    def apply(self, logits: ArrayLike) -> Floats:
        """Return probabilities: sigmoid of (n,) logits, softmax of (n, classes) ones."""
        scaled = np.asarray(logits, dtype=np.float64) / self.value
        return np.asarray(softmax(scaled, axis=1) if scaled.ndim == 2 else expit(scaled))


class Platt(Calibrator):
    """A straight line of the logit (Platt 1999): mends a shift as well as a scale.

    Attributes
    ----------
    slope, intercept
        The probability is sigmoid(slope * logit + intercept).
    """

    method: Literal["platt"] = "platt"
    slope: float
    intercept: float

    def apply(self, logits: ArrayLike) -> Floats:
        """Return the probabilities of (n,) logits."""
        line = self.slope * np.asarray(logits, dtype=np.float64) + self.intercept
        return np.asarray(expit(line))


class Beta(Calibrator):
    """Two slopes, one for either end of the scale (Kull et al. 2017).

    Attributes
    ----------
    a, b, c
        The probability is sigmoid(a ln p - b ln(1 - p) + c), where p = sigmoid(logit); a and b
        are never negative, so that ranks stay as they are.
    """

    method: Literal["beta"] = "beta"
    a: float
    b: float
    c: float

    def apply(self, logits: ArrayLike) -> Floats:
        """Return the probabilities of (n,) logits."""
        logit = np.asarray(logits, dtype=np.float64)
        return np.asarray(expit(self.a * log_expit(logit) - self.b * log_expit(-logit) + self.c))


class Isotonic(Calibrator):
    """The best rising steps, joined by straight lines (Zadrozny & Elkan 2002).

    It needs many rows, and it may tie scores that differed.

    Attributes
    ----------
    logits, probabilities
        Corners of the line; it is flat beyond the first and the last.
    """

    method: Literal["isotonic"] = "isotonic"
    logits: list[float]
    probabilities: list[float]

    def apply(self, logits: ArrayLike) -> Floats:
        """Return the probabilities of (n,) logits."""
        logit = np.asarray(logits, dtype=np.float64)
        return np.asarray(np.interp(logit, self.logits, self.probabilities))


#: Any calibration, told apart in JSON by its ``method``.
Calibration = Annotated[Temperature | Platt | Beta | Isotonic, Field(discriminator="method")]
Method = Literal["temperature", "platt", "beta", "isotonic"]


def fit_calibration(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    method: Method = "temperature",
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Temperature | Platt | Beta | Isotonic:
    """Fit a calibration by name; see the function of each."""
    fits: dict[Method, Callable[..., Temperature | Platt | Beta | Isotonic]] = {
        "temperature": fit_temperature,
        "platt": fit_platt,
        "beta": fit_beta,
        "isotonic": fit_isotonic,
    }
    return fits[method](logits, labels, fitted_on=fitted_on, images=images)


def fit_temperature(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Temperature:
    """Fit the temperature that minimizes the log loss.

    The loss is convex in 1 / temperature, so that a bounded search in it finds the one minimum.

    Parameters
    ----------
    logits
        (n,) finite logits of a fracture.
    labels
        (n,) 0 or 1; both must occur.
    fitted_on
        Name of these rows; kept, and compared with the rows judged later.
    images
        (n,) names of the images, by which these rows are known again.

    Raises
    ------
    GreenstickError
        Where there is only one class, or a logit is not finite.
    """
    label, logit = checked(labels, logits)
    margin = np.where(label, logit, -logit)

    def loss(slope: float) -> float:
        return float(np.logaddexp(0.0, -slope * margin).mean())

    low, high = 1 / BOUNDS[1], 1 / BOUNDS[0]
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    slope = min((low, float(found.x), high), key=loss)
    found = Temperature(
        value=1 / slope,
        fitted_on=fitted_on,
        n=len(label),
        at_bound=bool(np.isclose(slope, (low, high), rtol=1e-4).any()),
    )
    return _known(found, label, logit, images)


Fitted = TypeVar("Fitted", Temperature, Platt, Beta, Isotonic)


def _known(
    found: Fitted, label: NDArray[np.bool_], logit: Floats, images: Sequence[object] | None
) -> Fitted:
    """Return a calibration with what is kept of its rows."""
    rows = kept(label, logit, images, applied=found.apply(logit))
    return found.model_copy(update=rows.model_dump())


def fit_platt(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Platt:
    """Fit a slope and an intercept by maximum likelihood, with Platt's (1999) softened labels.

    With m fractures of n rows a label counts as (m + 1) / (m + 2), its absence as
    1 / (n - m + 2), which keeps the fit finite on separable rows. Parameters and errors as for
    :func:`fit_temperature`.
    """
    label, logit = checked(labels, logits)
    m, n = int(label.sum()), len(label)
    target = np.where(label, (m + 1) / (m + 2), 1 / (n - m + 2))
    features = np.column_stack([logit, np.ones(n)])
    slope, intercept = _logistic(features, target, ((0.0, None), (None, None)))
    found = Platt(
        slope=slope,
        intercept=intercept,
        fitted_on=fitted_on,
        n=n,
        at_bound=slope == 0,
    )
    return _known(found, label, logit, images)


def fit_beta(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Beta:
    """Fit the three numbers of beta calibration by maximum likelihood, slopes within 0 and 20.

    Parameters and errors as for :func:`fit_temperature`.
    """
    label, logit = checked(labels, logits)
    features = np.column_stack([log_expit(logit), -log_expit(-logit), np.ones(len(logit))])
    top = 1 / BOUNDS[0]
    a, b, c = _logistic(features, label.astype(np.float64), ((0, top), (0, top), (None, None)))
    found = Beta(
        a=a,
        b=b,
        c=c,
        fitted_on=fitted_on,
        n=len(label),
        at_bound=a == b == 0 or top in (a, b),
    )
    return _known(found, label, logit, images)


def _logistic(
    features: Floats, target: Floats, bounds: tuple[tuple[float | None, float | None], ...]
) -> list[float]:
    """Return the coefficients of least log loss within bounds; the problem is convex."""
    scale = np.maximum(np.abs(features).max(axis=0), 1e-300)
    unit = features / scale  # logits of any size are then well conditioned
    within = [
        (low if low is None else low * s, high if high is None else high * s)
        for (low, high), s in zip(bounds, scale, strict=True)
    ]

    def loss(w: Floats) -> tuple[float, Floats]:
        z = unit @ w
        value = np.logaddexp(0.0, z).mean() - target @ z / len(z)
        return float(value), unit.T @ (expit(z) - target) / len(z)

    start = np.where([low is not None for low, _ in bounds], np.minimum(scale, 1.0), 0.0)
    options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=within, options=options)
    return [float(w) for w in found.x / scale]


def fit_isotonic(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Isotonic:
    """Fit the rising steps of least squared error (pool adjacent violators).

    Parameters and errors as for :func:`fit_temperature`.
    """
    label, logit = checked(labels, logits)
    distinct, first, size = np.unique(logit, return_inverse=True, return_counts=True)
    share = np.bincount(first, label) / size
    level = isotonic_regression(share, weights=size).x
    # Only the two ends of each flat piece are needed.
    same = np.diff(level) == 0
    corner = ~(np.append(False, same) & np.append(same, False))
    found = Isotonic(
        logits=distinct[corner].tolist(),
        probabilities=level[corner].tolist(),
        fitted_on=fitted_on,
        n=len(label),
        at_bound=bool(np.isin(level, (0.0, 1.0)).all()),
    )
    return _known(found, label, logit, images)
