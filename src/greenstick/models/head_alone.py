"""A classifier's head by itself, over features that its frozen backbone gave before."""

import math

import torch
from torch import Tensor, nn

from greenstick.models.classifier import Classifier, Prediction
from greenstick.models.heads import LinearHead


class HeadAlone(nn.Module):
    """The head of a classifier, which shares it: what is trained here is trained there.

    Parameters
    ----------
    model
        Whose head it is. Parameters keep the names that they have there.
    image_px
        Side of the images that features come from.
    """

    def __init__(self, model: Classifier, image_px: int) -> None:
        super().__init__()
        self.head = model.head
        self.settings = model.settings
        self.shapes = feature_shapes(model, image_px)

    def forward(self, features: Tensor) -> Prediction:
        """Score features of shape (N, D), as :func:`head_features` gives them."""
        parts = torch.split(features, [math.prod(shape) for shape in self.shapes], dim=1)
        grids = [
            part.reshape(len(part), *shape) for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return Prediction(*self.head(*grids))

    def freeze(self, stages: int | None = None) -> None:
        """Do nothing: there is no backbone."""


def head_features(model: Classifier, images: Tensor) -> Tensor:
    """Return all that a classifier's head has to see of images, (N, D), in evaluation mode."""
    return torch.cat([grid.flatten(1) for grid in _grids(model, images)], dim=1)


def feature_shapes(model: Classifier, image_px: int) -> list[tuple[int, ...]]:
    """Return the shapes of the grids, (F, h, w), that :func:`head_features` strings together."""
    image = torch.zeros(1, 1, image_px, image_px, device=model.mean.device)
    return [tuple(grid.shape[1:]) for grid in _grids(model, image)]


@torch.no_grad()
def _grids(model: Classifier, images: Tensor) -> list[Tensor]:
    training = model.training
    grids = model.eval().features(images)
    model.train(training)
    if isinstance(model.head, LinearHead) and model.head.averages:
        # The mean of linear scores is the linear score of the mean, a hundredth of the size.
        return [grid.mean(dim=(2, 3), keepdim=True) for grid in grids]
    return grids
