"""A memory of healthy features: how far is the nearest that it knows (PatchCore).

Roth et al. (CVPR 2022): features of the middle stages of a frozen backbone, each averaged with its
neighbors, are compared with those of healthy images. A greedy choice of few that cover all keeps
the memory small.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from greenstick.models.backbones import stages_of_strides
from greenstick.models.classifier import Classifier
from greenstick.models.departures import Departures

#: Strides of the stages that are looked at: finer ones know edges, deeper ones whole pictures.
_STRIDES = (8, 16)


class FeatureMemory(Departures):
    """Distances to the nearest healthy feature.

    Parameters
    ----------
    network
        Whose backbone sees; its head is not used, and it is frozen.
    size
        How many features are kept. They come by :meth:`remember`.
    """

    memory: Tensor

    def __init__(self, network: Classifier, size: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        stages = stages_of_strides(network.backbone, _STRIDES)
        self._stages = [index for index, _ in stages]
        self.register_buffer("memory", torch.zeros(size, sum(each for _, each in stages)))

    def train(self, mode: bool = True) -> "FeatureMemory":
        """Switch to training; the backbone stays as it is."""
        super().train(mode)
        self.network.eval()
        return self

    def see(self, images: Tensor) -> Tensor:
        """Return features (N, D, H / 8, W / 8) of images (N, 1, H, W) in [0, 1]."""
        network: Any = self.network
        colored = (images.expand(-1, 3, -1, -1) - network.mean) / network.std
        grids = network.backbone.forward_intermediates(
            colored, indices=self._stages, intermediates_only=True
        )
        around = [functional.avg_pool2d(grid.float(), 3, stride=1, padding=1) for grid in grids]
        size = around[0].shape[-2:]
        # Every stage has the same say, however many channels it has.
        return torch.cat([_resized(_unit(grid), size) for grid in around], dim=1)

    def depart(self, images: Tensor) -> Tensor:
        """Return the distance of each cell's feature to the nearest of the memory."""
        seen = self.see(images)
        n, _, height, width = seen.shape
        flat = seen.permute(0, 2, 3, 1).flatten(0, 2)
        return nearest(flat, self.memory).reshape(n, 1, height, width)

    @torch.no_grad()
    def remember(self, features: Tensor) -> None:
        """Keep features (size, D)."""
        self.memory.copy_(features)


def nearest(points: Tensor, others: Tensor) -> Tensor:
    """Return the Euclidean distance of each point (n, D) to the nearest of others (m, D)."""
    squared = (
        points.square().sum(dim=1, keepdim=True)
        + others.square().sum(dim=1)
        - 2.0 * points @ others.T
    )
    distances: Tensor = squared.amin(dim=1).clamp_min(1e-12).sqrt()
    return distances


def _unit(grid: Tensor) -> Tensor:
    return torch.nn.functional.normalize(grid, dim=1, eps=1e-6)


def _resized(grid: Tensor, size: torch.Size) -> Tensor:
    if grid.shape[-2:] == size:
        return grid
    return functional.interpolate(grid, size=size, mode="bilinear", align_corners=False)
