"""How detectors rank lesions and images: AFROC (JAFROC), and the AUROC of the best box."""

import numpy as np

from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.matching import match
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Curve, Estimate
from greenstick.evidence.resampling import resample_rows
from greenstick.evidence.rows import Bools, ScoredRows, count


def image_rows(rows: BoxRows) -> ScoredRows:
    """Return images with the score of their best box; without any, below all others."""
    return ScoredRows(rows.fractured, rows.best_scores, rows.patients, np.arange(len(rows)))


def lesion_rows(rows: BoxRows, iou: float, *, against: Bools) -> ScoredRows:
    """Return lesions, each with the score of its box, and images with their surest false one.

    Parameters
    ----------
    rows, iou
        The boxes, and the overlap from which one is found.
    against
        (n,) which images take part.

    Returns
    -------
    ScoredRows
        ``labels`` is true for lesions. What is not marked at all scores below everything, and
        equal to whatever else is not marked.
    """
    matches = match(rows, (iou,))
    scores = rows.predictions.scores[matches.order]
    unmarked = (scores.min() if len(scores) else 0.0) - 1.0
    found, hits = matches.found[0], matches.hits[0]
    of_lesion = np.full(len(rows.truth), unmarked)
    of_lesion[found[hits]] = scores[hits]
    false = ~hits & ~matches.ignored[0]
    of_image = np.full(len(rows), unmarked)
    np.maximum.at(of_image, rows.predictions.images[matches.order][false], scores[false])
    lesions = np.flatnonzero(matches.wanted)
    images = np.concatenate([rows.truth.images[lesions], np.flatnonzero(against)])
    _, patients = np.unique(rows.patients[images], return_inverse=True)
    return ScoredRows(
        labels=np.repeat([True, False], [len(lesions), int(against.sum())]),
        scores=np.concatenate([of_lesion[lesions], of_image[against]]),
        patients=patients.astype(np.int64),
        images=images,
    )


def rankings(rows: BoxRows, iou: float, level: float) -> list[Estimate]:
    """Return the figures of merit for which no confidence need be chosen.

    ``image AUROC``: of the best box's score, for images with and without a true box.
    ``AFROC`` is JAFROC's figure of merit (Chakraborty & Berbaum 2004): the chance that a lesion
    scores above the highest false positive of an image without one. ``AFROC1`` takes the false
    positives of all images, for sets where each has a lesion. Intervals are those of an AUROC
    whose rows come several to a patient (Obuchowski 1997).
    """
    everywhere = np.ones(len(rows), dtype=np.bool_)
    judged = {
        "image AUROC": image_rows(rows),
        "AFROC": lesion_rows(rows, iou, against=~rows.fractured),
        "AFROC1": lesion_rows(rows, iou, against=everywhere),
    }
    return [
        auroc(one, level).model_copy(update={"name": name, "n_images": count(one.images)})
        for name, one in judged.items()
    ]


def afroc_curve(rows: BoxRows, iou: float, *, seed: int, replicates: int, level: float) -> Curve:
    """Return the curve whose area is ``AFROC``, with a band by patient bootstrap.

    ``x`` is the share of images without a fracture that have a false positive at a confidence,
    ``y`` the share of lesions found; what is not marked at all is called last, on a straight line.
    Of no points where every image has a true box, or none has.
    """
    against = ~rows.fractured
    if not against.any() or not rows.fractured.any():
        return Curve.empty()
    lesions = lesion_rows(rows, iou, against=against)
    return resample_rows(lesions, replicates=replicates, seed=seed, level=level).roc
