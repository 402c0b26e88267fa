"""One probability of two scores: a classifier's, and that of a detector's best box."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from greenstick.decision.operating_points import checked
from greenstick.decision.provenance import ChosenOn, kept
from greenstick.errors import GreenstickError

Floats = NDArray[np.float64]

#: Scores are kept this far from 0 and 1, so that one sure score cannot decide alone.
_EDGE = 1e-4
#: Holds weights back where few rows would let them grow; as strong as a fiftieth of a row.
_RIDGE = 0.02


class Fusion(ChosenOn):
    """Logistic regression on the logits of two scores.

    Attributes
    ----------
    weights
        Of each score's logit, never negative: neither score can speak against itself.
    intercept
        Added.
    fitted_on, n
        Name of the rows that it was fitted on, and how many they were.
    fingerprint, sample, images
        What they are known again by: their labels, and first and fused scores.
    """

    weights: tuple[float, float]
    intercept: float
    fitted_on: str
    n: int


def fit_fusion(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    fitted_on: str,
    images: Sequence[object] | None = None,
) -> Fusion:
    """Fit how two scores of the same images become one probability.

    Parameters
    ----------
    labels
        (n,) 0 or 1; both must occur.
    first, second
        (n,) scores within [0, 1]; an image without a box has 0.
    fitted_on, images
        Name of these rows, e.g. ``"valid"``, and names of their images: neither model may have
        seen them.

    Raises
    ------
    GreenstickError
        Where there is one class only, or a score lies beyond [0, 1].
    """
    label, _ = checked(labels, first)
    logits = _logits(first, second)
    if len(logits) != len(label):
        raise GreenstickError(
            f"There are {len(label)} labels and {len(logits)} pairs of scores.",
            remedy="Give both scores of every image.",
        )
    target = label.astype(np.float64)

    def loss(values: Floats) -> tuple[float, Floats]:
        answer = logits @ values[:2] + values[2]
        # log(1 + exp(a)) - y a, written so that it does not overflow
        each = np.maximum(answer, 0) + np.log1p(np.exp(-np.abs(answer))) - target * answer
        gap = expit(answer) - target
        pull = np.append(_RIDGE * values[:2], 0.0)
        slope = np.append(logits.T @ gap, gap.sum()) + pull
        return float(each.sum() + pull @ values / 2), slope

    found: Any = minimize(
        loss,
        np.array([0.5, 0.5, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None), (0.0, None), (None, None)],
    )
    one, other, intercept = (float(value) for value in found.x)
    fused = expit(logits @ np.array([one, other]) + intercept)
    return Fusion(
        weights=(one, other),
        intercept=intercept,
        fitted_on=fitted_on,
        n=len(label),
        **kept(label, first, images, applied=fused).model_dump(),
    )


def apply_fusion(fusion: Fusion, first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the (n,) probabilities of two scores of the same images."""
    answers = _logits(first, second) @ np.array(fusion.weights) + fusion.intercept
    return np.asarray(expit(answers), dtype=np.float64)


def _logits(first: ArrayLike, second: ArrayLike) -> Floats:
    both = [np.asarray(first, np.float64), np.asarray(second, np.float64)]
    return bounded_logits(np.stack(both, axis=1))


def bounded_logits(scores: ArrayLike) -> Floats:
    """Return logits of scores, kept finite: an image without a box has a score of 0.

    Raises
    ------
    GreenstickError
        Where a score lies beyond [0, 1].
    """
    given = np.asarray(scores, np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise GreenstickError(
            "A score to be fused or calibrated lies beyond 0 and 1.",
            remedy="Calibrate the scores, or give probabilities.",
        )
    kept = np.clip(given, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept / (1 - kept)))
