"""Three answers instead of two: no fracture, doubt, fracture."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from greenstick.decision.operating_points import choose_operating_point, fingerprint

#: What :func:`triage` answers, by number.
ANSWERS = ("no fracture", "doubt", "fracture")


class Triage(BaseModel):
    """Two thresholds, and where they come from.

    Attributes
    ----------
    doubt_from, fracture_from
        A score below ``doubt_from`` is no fracture, one at or above ``fracture_from`` a fracture,
        and one between is left in doubt. Equal where one threshold meets both requirements.
    sensitivity, specificity
        Required on the rows they were chosen on: the share of fractures not called normal, and
        the share of normals not called fractured.
    chosen_on, n, fingerprint
        As for :class:`~greenstick.decision.operating_points.OperatingPoint`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    doubt_from: float
    fracture_from: float
    sensitivity: float
    specificity: float
    chosen_on: str
    n: int
    fingerprint: str = ""


def choose_triage(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    sensitivity: float = 0.95,
    specificity: float = 0.95,
    chosen_on: str,
) -> Triage:
    """Choose the two thresholds with the least doubt between them.

    Parameters
    ----------
    labels, scores
        (n,) 0 or 1, and finite scores, higher means fracture.
    sensitivity, specificity
        What the negative and the positive answers must reach on these rows.
    chosen_on
        Name of these rows.

    Raises
    ------
    GreenstickError
        As :func:`~greenstick.decision.operating_points.choose_operating_point`.
    """
    low = choose_operating_point(
        labels, scores, rule="sensitivity", target=sensitivity, chosen_on=chosen_on
    )
    high = choose_operating_point(
        labels, scores, rule="specificity", target=specificity, chosen_on=chosen_on
    )
    doubt_from, fracture_from = low.threshold, high.threshold
    if doubt_from > fracture_from:  # one threshold does: nobody need be left in doubt
        doubt_from = fracture_from = (doubt_from + fracture_from) / 2
    return Triage(
        doubt_from=doubt_from,
        fracture_from=fracture_from,
        sensitivity=sensitivity,
        specificity=specificity,
        chosen_on=chosen_on,
        n=low.n,
        fingerprint=fingerprint(labels, scores),
    )


def triage(scores: ArrayLike, thresholds: Triage) -> NDArray[np.int8]:
    """Return (n,) numbers of :data:`ANSWERS`: 0 no fracture, 1 doubt, 2 fracture."""
    score = np.asarray(scores, dtype=np.float64)
    answers = (score >= thresholds.doubt_from).astype(np.int8)
    return answers + (score >= thresholds.fracture_from).astype(np.int8)
