"""Where a result points: boxes around what glows, or the heat map's peak."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenstick.reading.results import Box, Reading


@dataclass(frozen=True, eq=False)
class Mark:
    """One place on the film.

    Attributes
    ----------
    name
        ``"Region 1"``, with its class where a detector tells several apart; ``"Peak"``.
    points
        float64 of shape (n, 2): column and row in the original's pixels, from the upper left
        corner of the first pixel, as both SCOORD and presentation states count them. Five points
        make a closed box, one a point.
    probability
        The heat map's greatest value in the box, or the detector's score; None at the peak.
    """

    name: str
    points: NDArray[np.float64]
    probability: float | None = None

    @property
    def graphic(self) -> str:
        """The standard's graphic type."""
        return "POINT" if len(self.points) == 1 else "POLYLINE"


def marks(reading: Reading) -> list[Mark]:
    """Return a mark for each box of a reading; without any, one for the heat map's peak.

    A film that is decided to be without fracture gets none: nothing there reaches the threshold,
    or the whole film outweighs it.
    """
    if reading.decision == "no fracture":
        return []
    if reading.boxes:
        return [
            Mark(_name(n, box), _corners(box), box.probability)
            for n, box in enumerate(reading.boxes, start=1)
        ]
    if reading.peak_x is None:  # a detector has no heat map
        return []
    return [Mark("Peak", np.array([[reading.peak_x, reading.peak_y]], np.float64))]


def _name(number: int, box: Box) -> str:
    return f"Region {number}" + ("" if box.class_name is None else f" ({box.class_name})")


def _corners(box: Box) -> NDArray[np.float64]:
    right, bottom = box.x + box.width, box.y + box.height
    corners = [(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom), (box.x, box.y)]
    return np.array(corners, np.float64)
