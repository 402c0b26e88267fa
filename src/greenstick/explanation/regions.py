"""Boxes around what glows on a heat map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from greenstick.explanation.activation_maps import Heatmap

#: Side in px at which the map is looked at; finer than any network's cells.
_FINE_PX = 512


@dataclass(frozen=True)
class Region:
    """A connected part of a radiograph where the heat map reaches a threshold.

    Attributes
    ----------
    x, y, width, height
        The box around it, in the original's pixels.
    probability
        The map's greatest value within.
    """

    x: float
    y: float
    width: float
    height: float
    probability: float


def regions(
    heat: Heatmap,
    threshold: float,
    *,
    sides: tuple[float, float] | None = None,
    most: int = 10,
) -> list[Region]:
    """Return the regions where a heat map is at or above a threshold, the hottest first.

    Parameters
    ----------
    heat
        A heat map.
    threshold
        A probability: most sensibly the operating point that decides for the whole image, since a
        cell's value is what the network would answer to an image of such cells.
    sides
        Least and greatest side of a box, in shares of the image's longer side, as fractures have
        them: a smaller box grows about its middle, a larger one shrinks towards its hottest place.
    most
        No more than these; the hottest are kept.
    """
    across, down = heat.placement.original_size_px
    factor = _FINE_PX / max(across, down)
    size = (max(1, round(across * factor)), max(1, round(down * factor)))
    fine = expit(heat.placement.map_to_picture(heat.logits, size))
    labels, _ = ndimage.label(fine >= threshold)
    found = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        within = np.where(labels[box] == label, fine[box], 0.0)
        held = box if sides is None else _held(box, within, sides, fine.shape)
        found.append(_region(held, float(within.max()), across / size[0], down / size[1]))
    return sorted(found, key=lambda region: region.probability, reverse=True)[:most]


def as_boxes(found: list[Region]) -> NDArray[np.float64]:
    """Return the boxes as (n, 4): x, y, width, height in the original's pixels."""
    return np.array([(r.x, r.y, r.width, r.height) for r in found], np.float64).reshape(-1, 4)


def _held(
    box: tuple[slice, slice],
    within: NDArray[np.float32],
    sides: tuple[float, float],
    shape: tuple[int, ...],
) -> tuple[slice, slice]:
    """Return a box, of rows and columns, whose sides are neither too short nor too long."""
    low, high = (max(1, round(side * _FINE_PX)) for side in sides)
    hottest = np.unravel_index(int(within.argmax()), within.shape)
    rows, columns = (
        _held_side(part, int(at), low, high, whole)
        for part, at, whole in zip(box, hottest, shape, strict=True)
    )
    return rows, columns


def _held_side(part: slice, hottest: int, low: int, high: int, whole: int) -> slice:
    length = part.stop - part.start
    wanted = min(max(length, low), high, whole)
    middle = part.start + (hottest + 0.5 if length > wanted else length / 2)
    start = round(middle - wanted / 2)
    first, last = (part.start, part.stop) if length > wanted else (0, whole)
    start = min(max(start, first), last - wanted)
    return slice(start, start + wanted)


def _region(box: tuple[slice, slice], probability: float, across: float, down: float) -> Region:
    rows, columns = box
    return Region(
        x=columns.start * across,
        y=rows.start * down,
        width=(columns.stop - columns.start) * across,
        height=(rows.stop - rows.start) * down,
        probability=probability,
    )
