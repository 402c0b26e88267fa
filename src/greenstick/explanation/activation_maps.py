"""Class activation maps on one scale for all images (Zhou et al., CVPR 2016).

A cell's value is the probability that the classifier would give to an image made of such cells
alone. It is never stretched to the image's own maximum, so a normal film does not glow.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import mannwhitneyu

from greenstick.radiographs.canvas import Placement

#: Longer side (px) of the grid on which pixels are ranked.
_GRID_PX = 256


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where on a radiograph the classifier sees a fracture. Made by :func:`heatmap`.

    Attributes
    ----------
    logits
        float32 of shape (h, w): calibrated cell logits over the whole canvas.
    placement
        Where the original lies on the canvas.
    """

    logits: NDArray[np.float32]
    placement: Placement

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """float32 of shape (height, width) of the original, each in [0, 1]; 0 where unseen."""
        return np.asarray(expit(self.placement.map_to_original(self.logits)))

    @cached_property
    def peak(self) -> tuple[float, float]:
        """Where the map is highest, as (x, y) in the original's pixels."""
        # Logits: probabilities near 1 are equal in float32, and the peak would be a plateau.
        width, height = self.placement.width, self.placement.height
        fine = self.placement.map_of_region(self.logits, (width, height))
        row, column = np.unravel_index(int(fine.argmax()), fine.shape)
        region = self.placement.region
        return (
            region.x + (float(column) + 0.5) * region.width / width,
            region.y + (float(row) + 0.5) * region.height / height,
        )


@dataclass(frozen=True)
class Agreement:
    """How a heat map agrees with boxes.

    Attributes
    ----------
    peak_hit
        Whether the map's peak lies in a box (the pointing game of Zhang et al., IJCV 2018).
    mass_in_boxes
        Share of the map's sum that lies within the boxes, in [0, 1].
    box_area_share
        Share of the image's area that lies within the boxes: what a map that knows nothing
        would reach in the other two.
    pixel_auroc
        How often the map is higher at a place within the boxes than at one without, ties counting
        half; None where the boxes cover all or nothing.
    """

    peak_hit: bool
    mass_in_boxes: float
    box_area_share: float
    pixel_auroc: float | None


def heatmap(
    map_logits: NDArray[np.float32], placement: Placement, *, temperature: float = 1.0
) -> Heatmap:
    """Return the heat map of one image.

    Parameters
    ----------
    map_logits
        (h, w): the classifier's cell logits for a fracture, over the whole canvas.
    placement
        Where the original lies on that canvas.
    temperature
        The classifier's calibration; logits are divided by it.
    """
    logits = np.ascontiguousarray(map_logits, dtype=np.float32) / np.float32(temperature)
    return Heatmap(logits, placement)


def measure(heat: Heatmap, boxes: ArrayLike) -> Agreement:
    """Measure a heat map against boxes of shape (n, 4): x, y, width, height, original pixels.

    Boxes count as their union, cut to the image.
    """
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    x, y = heat.peak
    ends = given[:, :2] + given[:, 2:]
    hits = (given[:, 0] <= x) & (x <= ends[:, 0]) & (given[:, 1] <= y) & (y <= ends[:, 1])
    inside = _union(given, heat.probabilities.shape[0], heat.probabilities.shape[1])
    total = float(heat.probabilities.sum(dtype=np.float64))
    within = float(heat.probabilities[inside].sum(dtype=np.float64))
    return Agreement(
        bool(hits.any()),
        within / total if total > 0 else 0.0,
        float(inside.mean()),
        _pixel_auroc(heat, given),
    )


def _pixel_auroc(heat: Heatmap, boxes: NDArray[np.float64]) -> float | None:
    """Rank places on a grid that is finer than any map's cells."""
    sides = np.array(heat.placement.original_size_px)
    width, height = (int(side) for side in np.ceil(sides * _GRID_PX / sides.max()))
    inside = _union(boxes * (_GRID_PX / sides.max()), height, width)
    if inside.all() or not inside.any():
        return None
    logits = heat.placement.map_to_picture(heat.logits, (width, height))
    found = mannwhitneyu(logits[inside], logits[~inside], method="asymptotic")
    return float(found.statistic / (inside.sum() * (~inside).sum()))


def _union(boxes: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Return bool (height, width): the pixels that the boxes cover, to the nearest pixel."""
    inside = np.zeros((height, width), np.bool_)
    for x, y, across, down in boxes:
        left, right = (int(np.clip(round(edge), 0, width)) for edge in (x, x + across))
        top, bottom = (int(np.clip(round(edge), 0, height)) for edge in (y, y + down))
        inside[top:bottom, left:right] = True
    return inside
