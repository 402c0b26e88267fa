"""Class activation maps: the evidence for a fracture in each place, on one scale for all images.

The classifier's linear head scores every cell of its last feature stage (Zhou et al., CVPR
2016). A cell's logit, divided by the model's temperature, is turned into a probability: 0.5
means the same in every image, so that a normal film does not glow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from greenstick.radiographs.canvas import Placement


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Evidence for a fracture over a radiograph.

    Attributes
    ----------
    values
        float32 of shape (height, width) in [0, 1], one a pixel of the original.
    """

    values: NDArray[np.float32]

    @property
    def peak(self) -> tuple[float, float]:
        """The (x, y) of the highest value, in original pixels; the middle of it where flat."""
        rows, columns = np.nonzero(self.values == self.values.max())
        return float(columns.mean()), float(rows.mean())


@dataclass(frozen=True)
class Agreement:
    """How a heat map agrees with true boxes.

    Attributes
    ----------
    peak_hit
        Whether the peak lies in a box.
    mass_in_boxes
        Share of the map's sum within the boxes.
    box_area_share
        Share of the image within the boxes: what a flat map would score.
    """

    peak_hit: bool
    mass_in_boxes: float
    box_area_share: float


def heatmap(
    cells: NDArray[np.float32], placement: Placement, *, temperature: float = 1.0
) -> Heatmap:
    """Bring a map of cell logits, of shape (h, w), into the original's pixels.

    Logits are interpolated and then squashed, so that a peak keeps its place.
    """
    logits = placement.map_to_original(cells / np.float32(temperature))
    return Heatmap(expit(logits).astype(np.float32))


def measure(heat: Heatmap, boxes: NDArray[np.float64]) -> Agreement:
    """Compare a heat map with boxes of shape (n, 4): x, y, width, height in original pixels."""
    inside = _mask(boxes, heat.values.shape)
    x, y = heat.peak
    total = float(heat.values.sum(dtype=np.float64))
    mass = float(heat.values[inside].sum(dtype=np.float64)) / max(total, 1e-12)
    return Agreement(bool(inside[round(y), round(x)]), min(mass, 1.0), float(inside.mean()))


def _mask(boxes: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inside = np.zeros(shape, dtype=np.bool_)
    for x, y, width, height in boxes:
        rows = slice(max(0, int(np.floor(y))), max(0, int(np.ceil(y + height))))
        columns = slice(max(0, int(np.floor(x))), max(0, int(np.ceil(x + width))))
        inside[rows, columns] = True
    return inside
