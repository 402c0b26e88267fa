"""Where a result points: boxes around what glows, or the heat map's peak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenstick.explanation.regions import Region
from greenstick.reading.results import Reading


@dataclass(frozen=True, eq=False)
class Mark:
    """One place on the film.

    Attributes
    ----------
    name
        ``"Region 1"``, ``"Peak"``.
    points
        float64 of shape (n, 2): column and row in the original's pixels, from the upper left
        corner of the first pixel, as both SCOORD and presentation states count them. Five points
        make a closed box, one a point.
    probability
        The heat map's greatest value in the box; None at the peak.
    """

    name: str
    points: NDArray[np.float64]
    probability: float | None = None

    @property
    def graphic(self) -> str:
        """The standard's graphic type."""
        return "POINT" if len(self.points) == 1 else "POLYLINE"


def marks(reading: Reading, found: Sequence[Region]) -> list[Mark]:
    """Return a mark for each region; without any, one for the peak where a fracture is seen.

    A film that is decided to be without fracture gets none: nothing there reaches the threshold
    that a region would have to reach, or the whole film outweighs it.
    """
    if reading.decision == "no fracture":
        return []
    if found:
        return [
            Mark(f"Region {n}", _corners(region), region.probability)
            for n, region in enumerate(found, start=1)
        ]
    return [Mark("Peak", np.array([[reading.peak_x, reading.peak_y]], np.float64))]


def _corners(region: Region) -> NDArray[np.float64]:
    right, bottom = region.x + region.width, region.y + region.height
    corners = [
        (region.x, region.y), (right, region.y), (right, bottom), (region.x, bottom),
        (region.x, region.y),
    ]  # fmt: skip
    return np.array(corners, np.float64)
