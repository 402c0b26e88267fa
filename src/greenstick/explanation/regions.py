"""Boxes around what glows on a heat map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from greenstick.explanation.activation_maps import Heatmap
from greenstick.radiographs.region import Region as Part

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

    They lie within the part of the radiograph that was looked at.

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
    seen = heat.placement.region
    factor = _FINE_PX / max(seen.width, seen.height)
    size = (max(1, round(seen.width * factor)), max(1, round(seen.height * factor)))
    fine = expit(heat.placement.map_of_region(heat.logits, size))
    glows = fine >= threshold
    if not glows.any():  # as on most films; what follows takes longer than all before
        return []
    limits = _limits(heat, sides, factor)
    labels, _ = ndimage.label(glows)
    found = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        within = np.where(labels[box] == label, fine[box], 0.0)
        held = box if limits is None else _held(box, within, limits, fine.shape)
        found.append(_region(held, float(within.max()), seen, size))
    return sorted(found, key=lambda region: region.probability, reverse=True)[:most]


def as_boxes(found: list[Region]) -> NDArray[np.float64]:
    """Return the boxes as (n, 4): x, y, width, height in the original's pixels."""
    return np.array([(r.x, r.y, r.width, r.height) for r in found], np.float64).reshape(-1, 4)


def _limits(
    heat: Heatmap, sides: tuple[float, float] | None, factor: float
) -> tuple[int, int] | None:
    """Return the least and greatest side of a box in pixels of the map that is looked at."""
    if sides is None:
        return None
    longer = max(heat.placement.original_size_px) * factor
    return max(1, round(sides[0] * longer)), max(1, round(sides[1] * longer))


def _held(
    box: tuple[slice, slice],
    within: NDArray[np.float32],
    limits: tuple[int, int],
    shape: tuple[int, ...],
) -> tuple[slice, slice]:
    """Return a box, of rows and columns, whose sides are neither too short nor too long."""
    low, high = limits
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


def _region(
    box: tuple[slice, slice], probability: float, seen: Part, size_px: tuple[int, int]
) -> Region:
    rows, columns = box
    across, down = seen.width / size_px[0], seen.height / size_px[1]
    return Region(
        x=seen.x + columns.start * across,
        y=seen.y + rows.start * down,
        width=(columns.stop - columns.start) * across,
        height=(rows.stop - rows.start) * down,
        probability=probability,
    )
