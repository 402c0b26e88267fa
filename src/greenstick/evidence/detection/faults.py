"""Boxes that cannot be meant: refused where a number would be untrue, else told."""

from collections.abc import Sequence

import numpy as np

from greenstick.errors import GreenstickError
from greenstick.evidence.detection.boxes import PredictedBoxes, TrueBoxes
from greenstick.evidence.rows import Bools, Floats, Ints
from greenstick.findings import Finding, Severity

_ORDER = "Boxes are x, y, width, height in pixels of the original"


def check_true_boxes(
    boxes: TrueBoxes, sizes: Floats, images: Sequence[str], *, drop: bool
) -> Bools | None:
    """Return which images have a faulty true box, or None where none has.

    A true box is faulty where it has no area (a number is missing, or its width or height is not
    above 0), or lies wholly outside its image. One that only reaches beyond the edge is kept as
    it is.

    Raises
    ------
    GreenstickError
        Where there is any, unless they are to be dropped.
    """
    no_area = ~np.isfinite(boxes.xywh).all(axis=1) | ~(boxes.xywh[:, 2:] > 0).all(axis=1)
    outside = ~no_area & _outside(boxes.xywh, sizes[boxes.images])
    faulty = no_area | outside
    if not faulty.any():
        return None
    if not drop:
        what = "lie outside their image"
        if no_area.any():
            backward = (boxes.xywh[:, 2:] < 0).any()
            what = "have no area" + (", or corners in the wrong order" if backward else "")
        which = no_area if no_area.any() else outside
        raise GreenstickError(
            f"{int(which.sum())} true boxes {what}, first on {images[boxes.images[which][0]]}.",
            remedy=f"{_ORDER}: mend them, or leave out these images with --drop-faulty.",
        )
    hit = np.zeros(len(images), dtype=np.bool_)
    hit[boxes.images[faulty]] = True
    if hit.all():
        raise GreenstickError("Every image has a faulty true box.", remedy=f"{_ORDER}: mend them.")
    return hit


def _outside(xywh: Floats, sizes: Floats) -> Bools:
    """Tell which boxes do not touch their image; those of images of unknown size may."""
    return np.asarray(((xywh[:, :2] + xywh[:, 2:] <= 0) | (xywh[:, :2] >= sizes)).any(axis=1))


def check_predicted_boxes(
    boxes: PredictedBoxes, truth: TrueBoxes, sizes: Floats, images: Sequence[str]
) -> list[Finding]:
    """Return what is odd in predicted boxes: they are kept as they are, and told.

    Raises
    ------
    GreenstickError
        Where a number or score is missing or infinite, a width or height is negative, or boxes
        are given as shares of the sides.
    """
    given = np.column_stack([boxes.xywh, boxes.scores])
    missing = np.asarray(~np.isfinite(given).all(axis=1))
    _refuse(missing, boxes.images, images, "lack a number or a score", "Leave them out.")
    negative = np.asarray((boxes.xywh[:, 2:] < 0).any(axis=1))
    _refuse(negative, boxes.images, images, "have a negative width or height", f"{_ORDER}.")
    if _shares(boxes.xywh, truth.xywh):
        raise GreenstickError(
            "The predicted boxes lie within 0 and 1: they are shares of the sides.",
            remedy="Multiply them by the image's width and height.",
        )
    return [*_odd(boxes, sizes), *_unread(boxes.images, len(images))]


def _refuse(which: Bools, of_image: Ints, images: Sequence[str], what: str, remedy: str) -> None:
    if which.any():
        raise GreenstickError(
            f"{int(which.sum())} predicted boxes {what}, first on {images[of_image[which][0]]}.",
            remedy=remedy,
        )


def _shares(xywh: Floats, truth: Floats) -> bool:
    ends = xywh[:, :2] + xywh[:, 2:]
    return bool(len(xywh) and len(truth) and ends.max() <= 1.0 and truth[:, 2:].min() > 1.0)


def _odd(boxes: PredictedBoxes, sizes: Floats) -> list[Finding]:
    beyond = (boxes.xywh[:, :2] + boxes.xywh[:, 2:] > 1.02 * sizes[boxes.images] + 1).any(axis=1)
    flat = (boxes.xywh[:, 2:] == 0).any(axis=1)
    keys = np.column_stack([boxes.images, boxes.classes, boxes.xywh, boxes.scores])
    copies = len(keys) - len(np.unique(keys, axis=0))
    findings = []
    if copies:
        findings.append(
            Finding(
                "predictions-twice",
                Severity.WARNING,
                f"{copies} predicted boxes are listed twice: the second counts as false.",
                remedy="Remove the copies.",
            )
        )
    if 2 * beyond.sum() > len(boxes):
        findings.append(
            Finding(
                "boxes-beyond-image",
                Severity.WARNING,
                f"{int(beyond.sum())} of {len(boxes)} predicted boxes reach beyond their image.",
                tuple(np.flatnonzero(beyond).tolist()),
                f"{_ORDER}: are these corners, or pixels of a resized image?",
            )
        )
    if flat.any():
        findings.append(
            Finding(
                "predictions-without-area",
                Severity.NOTE,
                f"{int(flat.sum())} predicted boxes have no area: they count as false.",
                tuple(np.flatnonzero(flat).tolist()),
            )
        )
    return findings


def _unread(of_image: Ints, images: int) -> list[Finding]:
    silent = images - len(np.unique(of_image))
    if not silent:
        return []
    return [
        Finding(
            "images-without-predictions",
            Severity.NOTE,
            f"{silent} of {images} images have no predicted box: each counts as read, and silent.",
            remedy="Make sure that they were read.",
        )
    ]
