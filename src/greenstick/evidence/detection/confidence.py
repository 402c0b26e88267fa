"""From which score on a predicted box is shown: chosen on one set, applied to another."""

from typing import Literal

import numpy as np

from greenstick.decision.provenance import fingerprint
from greenstick.errors import GreenstickError
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.matching import match
from greenstick.evidence.detection.ratings import image_rows
from greenstick.evidence.estimates import Record
from greenstick.evidence.rows import Floats

ConfidenceRule = Literal["f1", "false-positives", "sensitivity", "given"]


class Confidence(Record):
    """A threshold on the score of boxes, and where it comes from.

    Attributes
    ----------
    threshold
        A box is shown where ``score >= threshold``.
    rule
        How it was chosen; ``"given"`` where it was stated beforehand.
    chosen_on
        Name of the images that it was chosen on, e.g. ``"valid"``.
    n_images
        How many these were; 0 for a given one.
    target
        False positives an image, or sensitivity, that was asked for.
    iou
        Overlap from which a box counted as found.
    fingerprint
        Digest of what it was chosen on, so that a threshold judged on its own images is found
        out whatever they are called. Empty where given.
    """

    threshold: float
    rule: ConfidenceRule
    chosen_on: str
    n_images: int
    target: float | None = None
    iou: float = 0.5
    fingerprint: str = ""


def given_confidence(
    threshold: float, *, chosen_on: str = "stated beforehand", iou: float = 0.5
) -> Confidence:
    """Return a confidence that was fixed before any of these images were seen.

    Raises
    ------
    GreenstickError
        Where it is no finite number.
    """
    if not np.isfinite(threshold):
        raise GreenstickError(
            f"{threshold} is no confidence.", remedy="Give the score from which a box is shown."
        )
    return Confidence(threshold=threshold, rule="given", chosen_on=chosen_on, n_images=0, iou=iou)


def choose_confidence(
    rows: BoxRows,
    *,
    rule: str = "f1",
    target: float | None = None,
    chosen_on: str,
    iou: float = 0.5,
) -> Confidence:
    """Choose a confidence on one set of images, to be applied to another.

    It lies half-way between two neighboring scores. Among equally good ones the lowest is taken:
    the one that misses fewer fractures.

    Parameters
    ----------
    rows
        Images with true and predicted boxes.
    rule
        ``f1``: greatest F1 of boxes. ``false-positives``: the lowest confidence with at most
        ``target`` false positives an image. ``sensitivity``: the highest one that finds the share
        ``target`` of true boxes.
    target
        What the last two need.
    chosen_on
        Name of these images; kept, and compared with those judged later.
    iou
        Overlap from which a box counts as found.

    Raises
    ------
    GreenstickError
        Where there is no true or no predicted box, no confidence reaches the target, or rule and
        target disagree.
    """
    rule = _checked_rule(rule, target)
    if not (~rows.truth.crowds).any() or not len(rows.predictions):
        raise GreenstickError(
            "No confidence can be chosen without true and predicted boxes.",
            remedy="Choose it on images with fractures, with boxes of low score kept.",
        )
    matches = match(rows, (iou,))
    counts = ~matches.ignored[0]
    scores = rows.predictions.scores[matches.order][counts]
    hits = matches.hits[0][counts]
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    tp, fp = np.cumsum(hits)[ends], np.cumsum(~hits)[ends]
    index = _best(rule, target, tp, fp, lesions=int(matches.wanted.sum()), images=len(rows))
    threshold = scores[ends[index]]
    if index + 1 < len(ends):
        threshold = (threshold + scores[ends[index + 1]]) / 2
    images = image_rows(rows)
    return Confidence(
        threshold=float(threshold),
        rule=rule,
        chosen_on=chosen_on,
        n_images=len(rows),
        target=target,
        iou=iou,
        fingerprint=fingerprint(images.labels, images.scores),
    )


def _best(
    rule: str, target: float | None, tp: Floats, fp: Floats, *, lesions: int, images: int
) -> int:
    """Return the number of the best step of falling confidence."""
    if rule == "f1":
        f1 = 2 * tp / (tp + fp + lesions)
        return int(np.flatnonzero(f1 >= f1.max() - 1e-12)[-1])
    wanted = float(target or 0)
    if rule == "sensitivity":
        enough = np.flatnonzero(tp >= wanted * lesions - 1e-9)
        which, reached = 0, f"the greatest is {tp[-1] / lesions:.3f}"
    else:
        enough = np.flatnonzero(fp <= wanted * images + 1e-9)
        which, reached = -1, f"the surest boxes alone give {fp[0] / images:.3f}"
    if not len(enough):
        raise GreenstickError(
            f"No confidence reaches {rule.replace('-', ' ')} of {wanted:g}: {reached}.",
            remedy="Ask for less, or keep more boxes of low score.",
        )
    return int(enough[which])


def _checked_rule(rule: str, target: float | None) -> ConfidenceRule:
    known: dict[str, ConfidenceRule] = {
        "f1": "f1",
        "false-positives": "false-positives",
        "sensitivity": "sensitivity",
    }
    if rule not in known:
        raise GreenstickError(
            f"There is no rule {rule!r} to choose a confidence by.",
            remedy=f"Take one of {', '.join(known)}.",
        )
    if (rule == "f1") != (target is None):
        raise GreenstickError(
            f"The rule {rule!r} {'takes no' if rule == 'f1' else 'needs a'} target.",
            remedy="Give a target with 'false-positives' and 'sensitivity' only.",
        )
    if target is not None and not 0 < target <= (1 if rule == "sensitivity" else np.inf):
        raise GreenstickError(
            f"{target:g} cannot be asked of {rule.replace('-', ' ')}.",
            remedy="Give a share within 0 and 1, or false positives an image above 0.",
        )
    return known[rule]
