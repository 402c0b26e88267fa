"""Models that learned healthy images alone: a cell's score is how far it departs from those.

All of them share one interface, that of a classifier: an image's logit is its highest cell. Scores
are set to a scale by healthy images held back: 0 is their mean highest cell, 1 a standard deviation
above it. They rank; a probability they are only after calibration.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from greenstick.models.classifier import Prediction
from greenstick.models.patch_guides import blur
from greenstick.models.patch_restorer import Restorer, residuals

#: Departures of pixels are smoothed by this (px) before cells take their highest.
_SMOOTHED = 2.0
#: Side of a cell of a map of pixels.
CELL_PX = 8


class Departures(nn.Module):
    """What such models have in common; a subclass says how far each cell departs."""

    center: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(1))
        self.register_buffer("spread", torch.ones(1))

    def depart(self, images: Tensor) -> Tensor:
        """Return how far each cell departs, (N, 1, h, w), of images (N, 1, H, W) in [0, 1]."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Prediction:
        """Score a batch: float32 (N, 1, H, W) in [0, 1]."""
        maps = (self.depart(images) - self.center) / self.spread
        return Prediction(maps.amax(dim=(2, 3)), maps)

    @torch.no_grad()
    def scale_by(self, highest: Tensor) -> None:
        """Set the scale by the highest cells of healthy images, (n,), as :meth:`depart` gives."""
        self.center.fill_(float(highest.mean()))
        self.spread.fill_(max(float(highest.std(correction=0)), 1e-6))


class RestoredDepartures(Departures):
    """How far pixels depart from what a restorer makes of them; no label is used.

    Parameters
    ----------
    restorer
        As trained on healthy images. It is frozen.
    """

    def __init__(self, restorer: Restorer) -> None:
        super().__init__()
        self.restorer = restorer.requires_grad_(False)

    def depart(self, images: Tensor) -> Tensor:
        """Return the highest smoothed departure of each cell, summed over the scales."""
        departed = residuals(self.restorer, images)[1]
        return to_cells(departed.abs().sum(dim=1, keepdim=True))


def to_cells(departed: Tensor) -> Tensor:
    """Return the highest of each cell, (N, 1, H / 8, W / 8), of departures of pixels, smoothed."""
    return functional.max_pool2d(blur(departed, _SMOOTHED), CELL_PX)
