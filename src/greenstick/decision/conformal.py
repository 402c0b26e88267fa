"""Answers with a promised error: sets of labels that hold the truth as often as was asked for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greenstick.decision.operating_points import checked
from greenstick.decision.provenance import ChosenOn, kept
from greenstick.errors import GreenstickError


class Conformal(ChosenOn):
    """Which labels a score leaves possible (split conformal prediction, Vovk et al. 2005).

    The promise is kept for each class by itself (Mondrian): of new images with a fracture, and of
    those without, at most ``error`` get a set that lacks the truth, on average over calibrations,
    where new images are exchangeable with those it was fitted on. Several images of a patient are
    not exchangeable with others: fit on one image a patient, or on scores pooled by patient.

    Attributes
    ----------
    fracture_from
        A score at or above it leaves a fracture possible; None where all do.
    normal_to
        A score at or below it leaves no fracture possible; None where all do.
    error
        The promised share of sets without the truth.
    fitted_on, n_positive, n_negative, fingerprint, sample, images
        The rows that it was fitted on.
    """

    fracture_from: float | None
    normal_to: float | None
    error: float
    fitted_on: str
    n_positive: int
    n_negative: int

    def sets(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Return (n, 2): whether no fracture, and whether a fracture, remains possible."""
        score = np.asarray(scores, dtype=np.float64)
        every = np.ones(score.shape, dtype=np.bool_)
        normal = every if self.normal_to is None else score <= self.normal_to
        fracture = every if self.fracture_from is None else score >= self.fracture_from
        return np.stack([normal, fracture], axis=-1)


def fit_conformal(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    error: float = 0.1,
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Conformal:
    """Find the limits beyond which too few images of either class lay.

    Parameters
    ----------
    labels, scores
        (n,) 0 or 1, and finite scores, higher means fracture; any scale, since only ranks count.
    error
        Promised share of sets without the truth, within each class.
    fitted_on
        Name of these rows: neither those the model was trained on nor those it is judged on.
    images
        (n,) names of the images, by which these rows are known again.

    Raises
    ------
    GreenstickError
        Where the error is no share, there is only one class, or a score is not finite.
    """
    if not 0 < error < 1:
        raise GreenstickError(
            f"An error of {error} cannot be promised.", remedy="Give a share within 0 and 1."
        )
    label, score = checked(labels, scores)
    positive, negative = score[label], score[~label]
    fracture_from = _limit(-positive, error)
    return Conformal(
        fracture_from=None if fracture_from is None else -fracture_from,
        normal_to=_limit(negative, error),
        error=error,
        fitted_on=fitted_on,
        n_positive=len(positive),
        n_negative=len(negative),
        **kept(label, score, images).model_dump(),
    )


def _limit(strangeness: NDArray[np.float64], error: float) -> float | None:
    """Return the ceil((n + 1)(1 - error))-th smallest value, None where n is too small for it."""
    n = len(strangeness)
    place = int(np.ceil(round((n + 1) * (1 - error), 9)))
    return float(np.sort(strangeness)[place - 1]) if place <= n else None
