"""Where a score becomes a call: thresholds, each with the rows that it was chosen on."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greenstick.decision.provenance import ChosenOn, kept
from greenstick.errors import GreenstickError

Rule = Literal["youden", "f1", "closest", "sensitivity", "specificity", "cost", "given"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class OperatingPoint(ChosenOn):
    """A threshold, and where it comes from.

    Attributes
    ----------
    threshold
        An image is called a fracture where ``score >= threshold``.
    rule
        How it was chosen; ``"given"`` where it was stated beforehand.
    chosen_on
        Name of the rows that it was chosen on, e.g. ``"valid"``.
    n
        How many rows these were; 0 for a given threshold.
    target
        The required sensitivity or specificity, or the cost ratio; None for other rules.
    repeat, fold
        The fold of cross-validation that it is for; None where there is one for all.
    fingerprint, sample, images
        What is kept of the rows, so that a threshold chosen on rows that it is judged on is found
        out whatever they are called; see :mod:`greenstick.decision.provenance`. Empty where given.
    """

    threshold: float
    rule: Rule
    chosen_on: str
    n: int
    target: float | None = None
    repeat: int | None = None
    fold: int | None = None


def decide(scores: ArrayLike, point: OperatingPoint) -> Bools:
    """Return which scores are called a fracture: those at or above the threshold."""
    return np.asarray(np.asarray(scores, dtype=np.float64) >= point.threshold)


def given_point(threshold: float, *, chosen_on: str = "stated beforehand") -> OperatingPoint:
    """Return an operating point whose threshold was fixed before any of these rows were seen.

    Raises
    ------
    GreenstickError
        Where it is no finite number.
    """
    if not np.isfinite(threshold):
        raise GreenstickError(
            f"{threshold} is no threshold.",
            remedy="Give the score from which an image is called a fracture.",
        )
    return OperatingPoint(threshold=threshold, rule="given", chosen_on=chosen_on, n=0)


def choose_operating_point(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    rule: Rule = "youden",
    chosen_on: str,
    target: float | None = None,
    repeat: int | None = None,
    fold: int | None = None,
    images: Sequence[object] | None = None,
) -> OperatingPoint:
    """Choose a threshold on one set of rows, to be applied to another.

    The threshold lies half-way between two neighboring scores, so that neither row sits on it.
    Among equally good thresholds the lowest is taken: the one that misses fewer fractures.

    Parameters
    ----------
    labels
        (n,) 0 or 1; both must occur.
    scores
        (n,) finite numbers, higher means fracture.
    rule
        ``youden``: greatest sensitivity + specificity - 1 (Youden 1950). ``f1``: greatest F1.
        ``closest``: nearest to sensitivity = specificity = 1 (Perkins & Schisterman 2006).
        ``sensitivity``: the highest threshold that reaches the sensitivity ``target``.
        ``specificity``: the lowest threshold that reaches the specificity ``target``.
        ``cost``: least expected cost where a missed fracture costs ``target`` times as much as a
        false alarm.
    chosen_on
        Name of these rows, e.g. ``"valid"``; kept, and compared with the rows judged later.
    target
        What ``sensitivity``, ``specificity`` and ``cost`` need.
    repeat, fold
        The fold of cross-validation that the threshold is for.
    images
        (n,) names of the images, by which these rows are known again even where another model
        scores them.

    Raises
    ------
    GreenstickError
        Where there is only one class, a score is not finite, or the rule and its target disagree.
    """
    label, score = checked(labels, scores)
    check_target(rule, target)
    thresholds, sensitivity, specificity = candidates(label, score)
    if rule in ("sensitivity", "specificity"):
        index = _reaching(rule, sensitivity, specificity, _needed(target))
    else:
        prevalence = float(label.mean())
        gain = _gain(rule, sensitivity, specificity, prevalence, target)
        index = int(np.flatnonzero(gain >= gain.max() - 1e-12)[-1])
    return OperatingPoint(
        threshold=float(thresholds[index]),
        rule=rule,
        chosen_on=chosen_on,
        n=len(label),
        target=target,
        repeat=repeat,
        fold=fold,
        **kept(label, score, images).model_dump(),
    )


def candidates(labels: Bools, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Return every threshold that matters, falling, with its sensitivity and specificity.

    The first calls nothing a fracture, the last everything; k distinct scores give k + 1.
    """
    order = np.argsort(-scores, kind="stable")
    score, label = scores[order], labels[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    tp = np.concatenate([[0], np.cumsum(label)[ends]])
    fp = np.concatenate([[0], np.cumsum(~label)[ends]])
    distinct = score[ends]
    above = np.nextafter(distinct[0], np.inf)
    thresholds = np.concatenate([[above], half_way(distinct), [distinct[-1]]])
    return thresholds, tp / tp[-1], 1.0 - fp / fp[-1]


def half_way(falling: Floats) -> Floats:
    """Return what lies half-way between each two neighbors of falling scores.

    Between two that no number lies between it is the higher one, which still tells them apart.
    """
    middle = falling[1:] + (falling[:-1] - falling[1:]) / 2
    return np.where(middle > falling[1:], middle, falling[:-1])


def _gain(
    rule: Rule, sensitivity: Floats, specificity: Floats, prevalence: float, cost: float | None
) -> Floats:
    if rule == "youden":
        return sensitivity + specificity
    if rule == "closest":
        return -np.hypot(1 - sensitivity, 1 - specificity)
    tp = prevalence * sensitivity
    fp = (1 - prevalence) * (1 - specificity)
    fn = prevalence * (1 - sensitivity)
    if rule == "f1":
        return np.asarray(2 * tp / (2 * tp + fp + fn))
    return -(_needed(cost) * fn + fp)


def _reaching(rule: Rule, sensitivity: Floats, specificity: Floats, target: float) -> int:
    if rule == "sensitivity":
        return int(np.flatnonzero(sensitivity >= target - 1e-12)[0])
    return int(np.flatnonzero(specificity >= target - 1e-12)[-1])


def _needed(target: float | None) -> float:
    if target is None:
        raise GreenstickError("The rule needs a target.", remedy="Give target=, e.g. 0.95.")
    return target


def check_target(rule: Rule, target: float | None) -> None:
    """Refuse a target that a rule cannot have, or lacks.

    Raises
    ------
    GreenstickError
        Saying which.
    """
    if rule == "given":
        raise GreenstickError(
            "A given threshold is not chosen on rows.", remedy="Use given_point(threshold)."
        )
    if rule in ("sensitivity", "specificity"):
        if not 0 < _needed(target) <= 1:
            raise GreenstickError(
                f"A {rule} of {target} cannot be required.", remedy="Give a share within 0 and 1."
            )
    elif rule == "cost":
        if not 0 < _needed(target) < np.inf:
            raise GreenstickError(
                "The cost ratio must be positive.",
                remedy="Give what a missed fracture costs in false alarms, e.g. 10.",
            )
    elif target is not None:
        raise GreenstickError(f"The rule {rule!r} takes no target.", remedy="Leave it out.")


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[Bools, Floats]:
    """Return labels as booleans and scores as float64, or say what is wrong with them."""
    label, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if label.shape != score.shape or score.ndim != 1:
        raise GreenstickError(
            f"Labels of shape {label.shape} do not match scores of shape {score.shape}.",
            remedy="Give one label and one score an image.",
        )
    if not np.isin(label, (0, 1)).all():
        raise GreenstickError("Labels must be 0 or 1.", remedy="Leave out images of unknown label.")
    if not np.isfinite(score).all():
        raise GreenstickError(
            "A score is missing or infinite.", remedy="Leave out what could not be read."
        )
    if len(np.unique(label)) < 2:
        raise GreenstickError(
            "Nothing can be fitted on rows of one class.",
            remedy="Use rows with and without fractures.",
        )
    return label.astype(np.bool_), score
