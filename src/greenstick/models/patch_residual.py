"""The multiscale patch residual network: how far bone departs from what intact bone would be.

Every patch of a picture is restored from its surroundings, at several scales, by a network that
knows healthy bone alone; a classifier then sees the picture, its restorations and the departures
together and scores a grid of cells. The image's score is its highest cell.
"""

import torch
from torch import Tensor, nn

from greenstick.models.classifier import Classifier, Prediction
from greenstick.models.patch_restorer import Restorer, residuals

#: Departures are small beside gray levels; the classifier begins with this many times them.
_GAIN = 4.0


class PatchResidual(nn.Module):
    """Gray images in, the highest cell and all cells out, as of any classifier.

    Parameters
    ----------
    restorer
        As trained on healthy images. It is frozen.
    classifier
        Scores a grid of cells; its own pooling is not used.
    """

    def __init__(self, restorer: Restorer, classifier: Classifier) -> None:
        super().__init__()
        self.restorer = restorer.requires_grad_(False)
        self.classifier = classifier
        scales = len(restorer.settings.scales)
        self.mix = nn.Conv2d(1 + 2 * scales, 3, 1)
        self._begin(scales)

    @torch.no_grad()
    def _begin(self, scales: int) -> None:
        """Begin with the picture, the mean restoration and the mean departure as channels."""
        assert self.mix.bias is not None
        self.mix.weight.zero_()
        self.mix.weight[0, 0] = 1.0
        self.mix.weight[1, 1 : 1 + scales] = 1.0 / scales
        self.mix.weight[2, 1 + scales :] = _GAIN / scales
        self.mix.bias.copy_(torch.tensor([0.0, 0.0, 0.5]))

    def forward(self, images: Tensor) -> Prediction:
        """Score a batch: float32 (N, 1, H, W) in [0, 1].

        H and W are multiples of 8 times the restorer's coarsest scale.
        """
        with torch.no_grad():
            restored, departed = residuals(self.restorer, images)
        seen = self.mix(torch.cat([images, restored, departed], dim=1))
        maps: Tensor = self.classifier(seen).maps
        return Prediction(maps.amax(dim=(2, 3)), maps)
