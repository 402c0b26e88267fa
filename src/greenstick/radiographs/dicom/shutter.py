"""The display shutter: what the station masked, most often beyond the collimator's edges.

PS3.3 C.7.6.11. Pixels outside it become background. The collimator's own elements (C.8.7.3) say
where the beam ended and mask nothing.
"""

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw

#: A shutter that leaves less than this share of the image is not believed.
_LEAST_SHARE = 0.02
_FAULTS = (Exception,)


def shutter(file: pydicom.Dataset, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return which pixels are to be seen; None where all are.

    Parameters
    ----------
    file
        Its elements.
    shape
        (height, width) of the decoded image, which may be a reduced one.
    """
    if "ShutterShape" not in file:
        return None
    mask = Image.new("1", (shape[1], shape[0]), 1)
    scale = shape[0] / float(file.Rows), shape[1] / float(file.Columns)
    named = file.ShutterShape
    for name in [named] if isinstance(named, str) else named:
        try:
            part = _SHAPES[str(name).strip().upper()](file, scale, mask.size)
        except _FAULTS:
            continue  # a shape without its numbers masks nothing
        mask = Image.composite(part, Image.new("1", mask.size, 0), mask)
    seen = np.asarray(mask)
    return None if seen.all() or seen.mean() < _LEAST_SHARE else seen


def _rectangle(
    file: pydicom.Dataset, scale: tuple[float, float], size: tuple[int, int]
) -> Image.Image:
    # Edges count from 1, and pixels on them are hidden.
    left = float(file.ShutterLeftVerticalEdge) * scale[1]
    right = (float(file.ShutterRightVerticalEdge) - 1) * scale[1] - 1
    top = float(file.ShutterUpperHorizontalEdge) * scale[0]
    bottom = (float(file.ShutterLowerHorizontalEdge) - 1) * scale[0] - 1
    part = Image.new("1", size, 0)
    ImageDraw.Draw(part).rectangle((round(left), round(top), round(right), round(bottom)), fill=1)
    return part


def _circle(
    file: pydicom.Dataset, scale: tuple[float, float], size: tuple[int, int]
) -> Image.Image:
    row, column = (float(part) for part in file.CenterOfCircularShutter)
    radius = float(file.RadiusOfCircularShutter)
    across, down = np.arange(size[0]) / scale[1] + 1, np.arange(size[1]) / scale[0] + 1
    inside = (across[None] - column) ** 2 + (down[:, None] - row) ** 2 < radius**2
    return Image.fromarray(inside)


def _polygon(
    file: pydicom.Dataset, scale: tuple[float, float], size: tuple[int, int]
) -> Image.Image:
    vertices: NDArray[Any] = np.array([float(v) for v in file.VerticesOfThePolygonalShutter])
    points = [((x - 1) * scale[1], (y - 1) * scale[0]) for y, x in vertices.reshape(-1, 2)]
    part = Image.new("1", size, 0)
    ImageDraw.Draw(part).polygon(points, fill=1)
    return part


_SHAPES = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
