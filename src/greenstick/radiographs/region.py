"""The part of a radiograph that is looked at, where it is not all of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A box of which less than this share lies within a region is not seen there.
_LEAST_SEEN = 0.25


@dataclass(frozen=True)
class Region:
    """A part of a radiograph, in whole pixels of the original.

    Attributes
    ----------
    x, y
        Its first column and row.
    width, height
        At least 1.
    """

    x: int
    y: int
    width: int
    height: int

    def sees(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return of which boxes, (n, 4) as x, y, width, height, a quarter or more lies within."""
        given = np.asarray(boxes, np.float64).reshape(-1, 4)
        inside = self.cut(given)[:, 2:].prod(axis=1)
        return np.asarray((inside > 0) & (inside >= _LEAST_SEEN * given[:, 2:].prod(axis=1)))

    def cut(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes cut at the region's edges; of those outside, width or height is 0."""
        given = np.asarray(boxes, np.float64).reshape(-1, 4)
        low, high = (
            np.array([self.x, self.y]),
            np.array([self.x + self.width, self.y + self.height]),
        )
        starts = np.clip(given[:, :2], low, high)
        ends = np.clip(given[:, :2] + given[:, 2:], low, high)
        return np.concatenate([starts, np.maximum(ends - starts, 0.0)], axis=1)


def whole_of(size_px: tuple[int, int]) -> Region:
    """Return the region that is all of an image of (width, height)."""
    return Region(0, 0, *size_px)


def square_around(
    box: tuple[float, float, float, float], size_px: tuple[int, int], *, margin: float = 0.0
) -> Region:
    """Return the square that shows a box, within an image.

    Its side is the mean of the box's sides, as published for elbows, so that films of all shapes
    show the joint at one scale. At an edge of the image it is moved inwards, not filled up; where
    the image is narrower than the square, all of its width is taken.

    Parameters
    ----------
    box
        x, y, width, height in pixels of the original.
    size_px
        (width, height) of the original.
    margin
        What is added at each of the four edges, as a share of the side.
    """
    x, y, width, height = box
    side = max(1, round((width + height) / 2.0 * (1.0 + 2.0 * margin)))
    first, length = [], []
    for start, extent, whole in zip((x, y), (width, height), size_px, strict=True):
        kept = min(side, whole)
        first.append(min(max(round(start + extent / 2.0 - kept / 2.0), 0), whole - kept))
        length.append(kept)
    return Region(first[0], first[1], length[0], length[1])
