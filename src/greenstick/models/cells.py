"""The cells of a detector's grids, and what the mirror does to them; NumPy alone."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

#: Pixels of the canvas between two cells of the three grids.
STRIDES = (8, 16, 32)


def mirrored_cells(size_px: int) -> NDArray[np.int64]:
    """Return for each cell of an image of this side the number of the one there in the mirror."""
    parts, first = [], 0
    for side in (size_px // stride for stride in STRIDES):
        cells = np.arange(first, first + side * side).reshape(side, side)
        parts.append(cells[:, ::-1].ravel())
        first += side * side
    return np.concatenate(parts)


def mean_with_mirror(
    boxes: Floats, logits: Floats, mirrored_boxes: Floats, mirrored_logits: Floats, size_px: int
) -> tuple[Floats, Floats]:
    """Return the mean, cell by cell, of what is said of images and of their mirrors.

    Parameters
    ----------
    boxes, mirrored_boxes
        (n, K, 4): left, top, right, bottom, each in its own image.
    logits, mirrored_logits
        (n, K, C).
    size_px
        Side of the images.
    """
    order = mirrored_cells(size_px)
    left, top, right, bottom = np.moveaxis(mirrored_boxes[:, order], -1, 0)
    back = np.stack([size_px - right, top, size_px - left, bottom], axis=-1)
    return (boxes + back) / 2, (logits + mirrored_logits[:, order]) / 2
