"""The one place that resizes: a radiograph onto a square canvas, and coordinates back.

Training, reading and export all see a radiograph through :func:`fit`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from greenstick.radiographs.radiograph import Radiograph

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
        The part of the canvas, in canvas pixels, that the image covers; the rest is padding.
    """

    canvas_px: int
    original_size_px: tuple[int, int]
    left: int
    top: int
    width: int
    height: int

    def _scale_and_shift(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scale = np.array([self.width, self.height]) / np.array(self.original_size_px)
        return scale, np.array([self.left, self.top], dtype=np.float64)

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

        Returns float32 of shape (height, width) of the original; padding is cut off.
        """
        return self.map_to_picture(heat, self.original_size_px)

    def map_to_picture(
        self, heat: NDArray[np.float32], size_px: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Resample as :meth:`map_to_original` does, to the picture at (width, height)."""
        scale_x, scale_y = heat.shape[1] / self.canvas_px, heat.shape[0] / self.canvas_px
        region = (
            self.left * scale_x,
            self.top * scale_y,
            (self.left + self.width) * scale_x,
            (self.top + self.height) * scale_y,
        )
        image = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
        resized = image.resize(size_px, Image.Resampling.BILINEAR, box=region)
        return np.asarray(resized, dtype=np.float32)


def place(original_size_px: tuple[int, int], canvas_px: int) -> Placement:
    """Return the placement that keeps the aspect ratio and centers the image on the canvas."""
    longer = max(original_size_px)
    width, height = (max(1, round(side * canvas_px / longer)) for side in original_size_px)
    left, top = (canvas_px - width) // 2, (canvas_px - height) // 2
    return Placement(canvas_px, original_size_px, left, top, width, height)


def fit(radiograph: Radiograph, canvas_px: int) -> tuple[NDArray[np.uint8], Placement]:
    """Scale a radiograph onto a black square canvas, aspect ratio kept.

    Returns
    -------
    canvas
        uint8 of shape (canvas_px, canvas_px): 256 gray levels are what a display shows and what
        the networks are trained on, and they halve the pixel store.
    placement
        The mapping between original and canvas pixels.
    """
    placement = place(radiograph.original_size_px, canvas_px)
    image, box = _covered(radiograph)
    # Pillow's bicubic widens with the factor, so nothing aliases when shrinking; it keeps more of
    # a thin fracture line than a box or a triangle does, most of all at factors just above 1.
    resized = np.asarray(image.resize((placement.width, placement.height), _HOW, box))
    resized = _evened(resized, radiograph, canvas_px)
    canvas = np.zeros((canvas_px, canvas_px), dtype=np.uint8)
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    canvas[rows, columns] = np.rint(np.clip(resized, 0.0, 1.0) * 255.0)
    return canvas, placement


def _covered(
    radiograph: Radiograph,
) -> tuple[Image.Image, tuple[float, float, float, float] | None]:
    """Return the pixels, and the box of them that the original covers (None: all)."""
    reduction = radiograph.reduction
    if reduction.factor == 1:
        return Image.fromarray(radiograph.pixels), None
    # The original's edges lie a fraction of a pixel off those of ours.
    start = 0.5 - reduction.first_at / reduction.factor
    across, down = (start + side / reduction.factor for side in radiograph.original_size_px)
    height, width = radiograph.pixels.shape
    beyond = ((0, int(down > height)), (0, int(across > width)))
    pixels = np.pad(radiograph.pixels, beyond, mode="edge")
    return Image.fromarray(pixels), (start, start, across, down)


def _evened(
    canvas: NDArray[np.float32], radiograph: Radiograph, canvas_px: int
) -> NDArray[np.float32]:
    """Take back what the reduction did to fine structure.

    The Laplacian on the canvas, which is less work than on the kept pixels: both say the same of
    all that the canvas can show.
    """
    reduction = radiograph.reduction
    shrunk = max(radiograph.original_size_px) / reduction.factor / canvas_px
    share = np.float32(reduction.boost / max(1.0, shrunk) ** 2)
    if not share:
        return canvas
    wide = np.pad(canvas, 1, mode="edge")
    around = wide[1:-1, :-2] + wide[1:-1, 2:] + wide[:-2, 1:-1] + wide[2:, 1:-1]
    return np.asarray(canvas + share * (around - np.float32(4.0) * canvas))
