"""Three answers instead of two: no fracture, doubt, fracture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greenstick.decision.operating_points import choose_operating_point
from greenstick.decision.provenance import ChosenOn, kept

#: What :func:`triage` answers, by number.
ANSWERS = ("no fracture", "doubt", "fracture")


class Triage(ChosenOn):
    """Two thresholds, and where they come from.

    Attributes
    ----------
    doubt_from, fracture_from
        A score below ``doubt_from`` is no fracture, one at or above ``fracture_from`` a fracture,
        and one between is left in doubt. Equal where one threshold meets both requirements.
    sensitivity, specificity
        Required on the rows they were chosen on: the share of fractures not called normal, and
        the share of normals not called fractured.
    chosen_on, n, fingerprint, sample, images
        As for :class:`~greenstick.decision.operating_points.OperatingPoint`.
    """

    doubt_from: float
    fracture_from: float
    sensitivity: float
    specificity: float
    chosen_on: str
    n: int


def choose_triage(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    sensitivity: float = 0.95,
    specificity: float = 0.95,
    chosen_on: str,
    images: Sequence[object] | None = None,
) -> Triage:
    """Choose the two thresholds with the least doubt between them.

    Parameters
    ----------
    labels, scores
        (n,) 0 or 1, and finite scores, higher means fracture.
    sensitivity, specificity
        What the negative and the positive answers must reach on these rows.
    chosen_on, images
        Name of these rows, and names of their images, by which they are known again.

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
        **kept(labels, scores, images).model_dump(),
    )


def triage(scores: ArrayLike, thresholds: Triage) -> NDArray[np.int8]:
    """Return (n,) numbers of :data:`ANSWERS`: 0 no fracture, 1 doubt, 2 fracture."""
    score = np.asarray(scores, dtype=np.float64)
    answers = (score >= thresholds.doubt_from).astype(np.int8)
    return answers + (score >= thresholds.fracture_from).astype(np.int8)
