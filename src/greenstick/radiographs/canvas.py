"""The one place that resizes: a radiograph, or a part of it, onto a square canvas, and back.

Training, reading and export all see a radiograph through :func:`fit`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.region import Region, whole_of

#: Stands in maps over the original for what was not looked at: lower than any logit.
UNSEEN = -math.inf
_HOW = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Placement:
    """Where a radiograph lies on a square canvas.

    Attributes
    ----------
    canvas_px
        Side of the canvas.
    original_size_px
        (width, height) of the original.
    left, top, width, height
        The part of the canvas, in canvas pixels, that the region covers; the rest is padding.
    region
        The part of the original that the canvas shows.
    """

    canvas_px: int
    original_size_px: tuple[int, int]
    left: int
    top: int
    width: int
    height: int
    region: Region

    @property
    def sees_all(self) -> bool:
        """Whether the canvas shows all of the original."""
        return self.region == whole_of(self.original_size_px)

    def _scale_and_shift(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        region = self.region
        scale = np.array([self.width, self.height]) / np.array([region.width, region.height])
        return scale, np.array([self.left, self.top]) - np.array([region.x, region.y]) * scale

    def to_canvas(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map boxes of shape (n, 4), as x, y, width, height in original pixels, to the canvas."""
        scale, shift = self._scale_and_shift()
        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        return np.concatenate([boxes[:, :2] * scale + shift, boxes[:, 2:] * scale], axis=1)

    def to_original(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map boxes of shape (n, 4), as x, y, width, height in canvas pixels, to the original."""
        scale, shift = self._scale_and_shift()
        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        return np.concatenate([(boxes[:, :2] - shift) / scale, boxes[:, 2:] / scale], axis=1)

    def map_to_original(self, heat: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resample a map over the whole canvas, of any shape (h, w), to the original's pixels.

        Returns float32 of shape (height, width) of the original; padding is cut off, and what
        lies outside the region is :data:`UNSEEN`.
        """
        return self.map_to_picture(heat, self.original_size_px)

    def map_to_picture(
        self, heat: NDArray[np.float32], size_px: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Resample as :meth:`map_to_original` does, to the picture at (width, height)."""
        region = self.region
        if self.sees_all:
            return self.map_of_region(heat, size_px)
        # A pixel of the picture is seen where its middle lies within the region.
        (left, right), (top, bottom) = (
            (math.ceil(start * shown / whole - 0.5), math.ceil(end * shown / whole - 0.5))
            for start, end, shown, whole in (
                (region.x, region.x + region.width, size_px[0], self.original_size_px[0]),
                (region.y, region.y + region.height, size_px[1], self.original_size_px[1]),
            )
        )
        picture = np.full(size_px[::-1], UNSEEN, np.float32)
        if right > left and bottom > top:
            seen = self.map_of_region(heat, (right - left, bottom - top))
            picture[top:bottom, left:right] = seen
        return picture

    def map_of_region(
        self, heat: NDArray[np.float32], size_px: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Resample a map over the whole canvas to the region alone, at (width, height)."""
        scale_x, scale_y = heat.shape[1] / self.canvas_px, heat.shape[0] / self.canvas_px
        covered = (
            self.left * scale_x,
            self.top * scale_y,
            (self.left + self.width) * scale_x,
            (self.top + self.height) * scale_y,
        )
        image = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
        resized = image.resize(size_px, Image.Resampling.BILINEAR, box=covered)
        return np.asarray(resized, dtype=np.float32)


def place(
    original_size_px: tuple[int, int], canvas_px: int, region: Region | None = None
) -> Placement:
    """Return the placement that keeps the aspect ratio and centers the image on the canvas.

    Parameters
    ----------
    original_size_px
        (width, height).
    canvas_px
        Side of the canvas.
    region
        The part of the original, within it, that the canvas shows; None: all.
    """
    region = region or whole_of(original_size_px)
    sides = region.width, region.height
    width, height = (max(1, round(side * canvas_px / max(sides))) for side in sides)
    left, top = (canvas_px - width) // 2, (canvas_px - height) // 2
    return Placement(canvas_px, original_size_px, left, top, width, height, region)


def fit(
    radiograph: Radiograph, canvas_px: int, region: Region | None = None
) -> tuple[NDArray[np.uint8], Placement]:
    """Scale a radiograph, or a region of it, onto a black square canvas, aspect ratio kept.

    Returns
    -------
    canvas
        uint8 of shape (canvas_px, canvas_px): 256 gray levels are what a display shows and what
        the networks are trained on, and they halve the pixel store.
    placement
        The mapping between original and canvas pixels.
    """
    placement = place(radiograph.original_size_px, canvas_px, region)
    image, box = _covered(radiograph, placement)
    # Pillow's bicubic widens with the factor, so nothing aliases when shrinking; it keeps more of
    # a thin fracture line than a box or a triangle does, most of all at factors just above 1.
    resized = np.asarray(image.resize((placement.width, placement.height), _HOW, box))
    resized = _evened(resized, radiograph, placement)
    canvas = np.zeros((canvas_px, canvas_px), dtype=np.uint8)
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    canvas[rows, columns] = np.rint(np.clip(resized, 0.0, 1.0) * 255.0)
    return canvas, placement


def as_images(canvases: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return canvases, uint8 (n, S, S), as networks take them: float32 (n, 1, S, S) in [0, 1]."""
    return np.asarray(canvases[:, None].astype(np.float32) / np.float32(255.0), np.float32)


def _covered(
    radiograph: Radiograph, placement: Placement
) -> tuple[Image.Image, tuple[float, float, float, float] | None]:
    """Return the pixels, and the box of them that the region covers (None: all)."""
    reduction, region = radiograph.reduction, placement.region
    if reduction.factor == 1 and placement.sees_all:
        return Image.fromarray(radiograph.pixels), None
    # The original's edges lie a fraction of a pixel off those of ours.
    start = 0.5 - reduction.first_at / reduction.factor
    left, top, across, down = (
        start + at / reduction.factor
        for at in (region.x, region.y, region.x + region.width, region.y + region.height)
    )
    height, width = radiograph.pixels.shape
    beyond = ((0, int(down > height)), (0, int(across > width)))
    pixels = np.pad(radiograph.pixels, beyond, mode="edge")
    return Image.fromarray(pixels), (left, top, across, down)


def _evened(
    canvas: NDArray[np.float32], radiograph: Radiograph, placement: Placement
) -> NDArray[np.float32]:
    """Take back what the reduction did to fine structure.

    The Laplacian on the canvas, which is less work than on the kept pixels: both say the same of
    all that the canvas can show.
    """
    reduction = radiograph.reduction
    region = placement.region
    shrunk = max(region.width, region.height) / reduction.factor / placement.canvas_px
    share = np.float32(reduction.boost / max(1.0, shrunk) ** 2)
    if not share:
        return canvas
    wide = np.pad(canvas, 1, mode="edge")
    around = wide[1:-1, :-2] + wide[1:-1, 2:] + wide[:-2, 1:-1] + wide[2:, 1:-1]
    return np.asarray(canvas + share * (around - np.float32(4.0) * canvas))
