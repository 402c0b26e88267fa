"""From a network's logit to a probability: fitted on one set of rows, applied to another."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax

from greenstick.decision.operating_points import checked, fingerprint

#: The temperature is kept within these bounds, so that a fit on separable rows stays finite.
BOUNDS = (0.05, 20.0)


class Temperature(BaseModel):
    """One number that a logit is divided by before the sigmoid (Guo et al. 2017).

    Attributes
    ----------
    value
        The temperature: above 1 the network was too sure of itself, below 1 not sure enough.
    fitted_on
        Name of the rows that it was fitted on, e.g. ``"valid"``.
    n
        How many rows these were.
    at_bound
        Whether the fit ran into :data:`BOUNDS`, as it does where the rows are separable or the
        logits say nothing; the probabilities are then not to be trusted.
    fingerprint
        Digest of the labels and logits that it was fitted on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["temperature"] = "temperature"
    value: float
    fitted_on: str
    n: int
    at_bound: bool = False
    fingerprint: str = ""

    def apply(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities: sigmoid of (n,) logits, softmax of (n, classes) ones."""
        scaled = np.asarray(logits, dtype=np.float64) / self.value
        return np.asarray(softmax(scaled, axis=1) if scaled.ndim == 2 else expit(scaled))


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, fitted_on: str) -> Temperature:
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
    at_bound = bool(np.isclose(slope, (low, high), rtol=1e-4).any())
    return Temperature(
        value=1 / slope,
        fitted_on=fitted_on,
        n=len(label),
        at_bound=at_bound,
        fingerprint=fingerprint(label, logit),
    )
