"""What a patch residual network sees: how far bone departs from what intact bone would be.

Every patch of a picture is restored from its surroundings, at several scales, by a network that
knows healthy bone alone; a classifier then sees the picture, its restorations and the departures
together.
"""

import torch
from torch import Tensor, nn

from greenstick.models.patch_restorer import Restorer, residuals
from greenstick.models.patch_settings import RestorerSettings

#: Departures are small beside gray levels; the classifier begins with this many times them.
_GAIN = 4.0


class PatchResidual(nn.Module):
    """Gray images in, the three channels of a classifier's input out.

    Parameters
    ----------
    settings
        Of the restorer. It comes untrained, see :meth:`take`, and frozen.
    """

    def __init__(self, settings: RestorerSettings) -> None:
        super().__init__()
        self.restorer = Restorer(settings).requires_grad_(False)
        self.mix = nn.Conv2d(1 + 2 * len(settings.scales), 3, 1)
        self._begin(len(settings.scales))

    @torch.no_grad()
    def _begin(self, scales: int) -> None:
        """Begin with the picture, the mean restoration and the mean departure as channels."""
        assert self.mix.bias is not None
        self.mix.weight.zero_()
        self.mix.weight[0, 0] = 1.0
        self.mix.weight[1, 1 : 1 + scales] = 1.0 / scales
        self.mix.weight[2, 1 + scales :] = _GAIN / scales
        self.mix.bias.copy_(torch.tensor([0.0, 0.0, 0.5]))

    def take(self, restorer: Restorer) -> None:
        """Take the weights of a restorer of the same settings."""
        self.restorer.load_state_dict(restorer.state_dict())

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 3, H, W) of float32 (N, 1, H, W) in [0, 1].

        H and W are multiples of 8 times the restorer's coarsest scale.
        """
        # Departures are small differences: they stay in float32 under autocast.
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            restored, departed = residuals(self.restorer, images)
        mixed: Tensor = self.mix(torch.cat([images, restored, departed], dim=1))
        return mixed
