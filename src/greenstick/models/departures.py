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
#: Side of a cell of a map of pixels, and of the blocks whose departures are expected.
CELL_PX, FINE_PX = 8, 4
#: Where next to nothing is expected (gray levels), next to nothing is no departure.
_FLOOR = 0.006


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

    @torch.no_grad()
    def answer_by(self, slope: float, intercept: float) -> None:
        """Put a line through the logits, as Platt's calibration on labeled images gives."""
        self.center.sub_(intercept / slope * self.spread)
        self.spread.div_(slope)


class ExpectedDepartures(nn.Module):
    """How far healthy bone that looks like this departs from its restoration.

    Edges, markers and metal depart on healthy films too. This says by how much, from a few pixels
    around: too few to know a fracture by.

    Parameters
    ----------
    scales
        How many it speaks of.
    """

    _WIDTH = 32

    def __init__(self, scales: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(FINE_PX),
            nn.Conv2d(FINE_PX**2, self._WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(self._WIDTH, self._WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.last = nn.Conv2d(self._WIDTH, scales, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logarithm, (N, scales, H / 4, W / 4), for images (N, 1, H, W) in [0, 1]."""
        logarithms: Tensor = self.last(self.layers(images))
        return logarithms

    @torch.no_grad()
    def begin(self, mean: Tensor) -> None:
        """Expect the mean departures, (scales,), everywhere, and learn from there."""
        assert self.last.bias is not None
        self.last.weight.zero_()
        self.last.bias.copy_(mean.clamp_min(1e-6).log())


class RestoredDepartures(Departures):
    """How far pixels depart from what a restorer makes of them; no label is used.

    Departures are taken in units of what is to be expected there.

    Parameters
    ----------
    restorer
        As trained on healthy images. It is frozen.
    """

    def __init__(self, restorer: Restorer) -> None:
        super().__init__()
        self.restorer = restorer.requires_grad_(False)
        self.expected = ExpectedDepartures(len(restorer.settings.scales))

    def found(self, images: Tensor) -> Tensor:
        """Return the departures, without sign and smoothed, (N, scales, H / 4, W / 4)."""
        departed = residuals(self.restorer, images)[1].abs()
        return functional.avg_pool2d(blur(departed, _SMOOTHED), FINE_PX)

    def depart(self, images: Tensor) -> Tensor:
        """Return the highest departure of each cell in units of the expected, over all scales."""
        relative = self.found(images) / (self.expected(images).exp() + _FLOOR)
        return functional.max_pool2d(relative.mean(dim=1, keepdim=True), CELL_PX // FINE_PX)


def to_cells(departed: Tensor) -> Tensor:
    """Return the highest of each cell, (N, 1, H / 8, W / 8), of departures of pixels, smoothed."""
    return functional.max_pool2d(blur(departed, _SMOOTHED), CELL_PX)
