"""The restorer: what intact bone would look like in the holes of a picture.

A mutual encoder-decoder (Liu et al., ECCV 2020): shallow features fill the texture, deep ones the
structure, and each is weighed by what both have in common. Holes of a pass do not touch, so that
four passes restore every place of a picture from what surrounds it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from greenstick.models.patch_guides import count_guides, fill_smoothly, guides
from greenstick.models.patch_settings import RestorerSettings

PASSES = 4


class Restoration(NamedTuple):
    """What a restorer makes of pictures with holes.

    Attributes
    ----------
    images
        (N, 1, H, W): the whole picture; only the holes of it are of use.
    structure, texture
        (N, 1, H / 4, W / 4): what either branch alone makes of it, to be taught what it is for.
    """

    images: Tensor
    structure: Tensor
    texture: Tensor


class Restorer(nn.Module):
    """Pictures with holes in, whole pictures out.

    Parameters
    ----------
    settings
        How large, and what it is told.
    """

    def __init__(self, settings: RestorerSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        channels = 4 * (2 + count_guides(settings.guide))
        self.first = _conv(channels, width)
        self.second = _conv(width, 2 * width, stride=2)
        self.third = _conv(2 * width, 4 * width, stride=2)
        self.fourth = nn.Sequential(
            *(_conv(4 * width, 4 * width, dilation=dilation) for dilation in (1, 2, 4))
        )
        self.texture = _Branch((width, 2 * width), 2 * width)
        self.structure = _Branch((4 * width, 4 * width), 2 * width)
        self.weigh = _Equalize(4 * width)
        self.merge = _conv(6 * width, 2 * width)
        change = nn.Conv2d(2 * width, 4, 3, padding=1)
        nn.init.normal_(change.weight, std=0.01)
        self.last = nn.Sequential(_conv(3 * width, 2 * width), change)

    def forward(self, images: Tensor, holes: Tensor) -> Restoration:
        """Fill holes.

        Parameters
        ----------
        images
            float32 (N, 1, H, W) in [0, 1], whole: what lies in the holes is taken out here. H and
            W are multiples of 8.
        holes
            (N, 1, H, W) of 0 and 1.
        """
        begun = fill_smoothly(images, holes, self.settings.patch_px)
        seen = torch.cat([begun, holes, guides(images, self.settings.guide)], dim=1)
        first = self.first(functional.pixel_unshuffle(seen, 2))
        second = self.second(first)
        third = self.third(second)
        texture, texture_picture = self.texture(first, second, second.shape[-2:])
        structure, structure_picture = self.structure(third, self.fourth(third), second.shape[-2:])
        both = self.weigh(torch.cat([texture, structure], dim=1))
        merged = self.merge(torch.cat([second, both], dim=1))
        wide = functional.interpolate(merged, size=first.shape[-2:])
        change = functional.pixel_shuffle(self.last(torch.cat([first, wide], dim=1)), 2)
        return Restoration(begun + change, structure_picture, texture_picture)


def restore(restorer: Restorer, images: Tensor) -> Tensor:
    """Restore every place of pictures from its surroundings, in four passes as one batch.

    Parameters
    ----------
    restorer
        In evaluation mode.
    images
        float32 (N, 1, H, W) in [0, 1]; H and W are multiples of 8.

    Returns
    -------
    restored
        (N, 1, H, W) in [0, 1]: each pixel as its hole was filled.
    """
    height, width = images.shape[-2:]
    holes = checkered(height, width, restorer.settings.patch_px).to(images)
    passes = holes.expand(len(images), -1, -1, -1, -1)
    pictures = images[:, None].expand(-1, PASSES, -1, -1, -1)
    made: Restoration = restorer(pictures.flatten(0, 1), passes.flatten(0, 1))
    filled = made.images.reshape(-1, PASSES, 1, height, width)
    return (filled * holes).sum(dim=1).clamp(0.0, 1.0)


def restore_scales(restorer: Restorer, images: Tensor) -> Tensor:
    """Restore pictures at each scale, enlarged again: (N, scales, H, W).

    H and W are multiples of 8 times the coarsest scale.
    """
    restored = []
    for scale in restorer.settings.scales:
        small = functional.avg_pool2d(images, scale) if scale > 1 else images
        one = restore(restorer, small)
        restored.append(one if scale == 1 else _enlarge(one, images.shape[-2], images.shape[-1]))
    return torch.cat(restored, dim=1)


def residuals(restorer: Restorer, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return pictures as restored, and how far they depart from it, both (N, scales, H, W).

    A coarse restoration is compared with the picture at its own scale, so that detail which a
    coarse one cannot hold is no departure.
    """
    restored = restore_scales(restorer, images)
    seen = [
        images
        if scale == 1
        else _enlarge(functional.avg_pool2d(images, scale), images.shape[-2], images.shape[-1])
        for scale in restorer.settings.scales
    ]
    return restored, torch.cat(seen, dim=1) - restored


def checkered(height: int, width: int, patch_px: int) -> Tensor:
    """Return the holes of the four passes, float32 (4, 1, height, width) of 0 and 1.

    Every pixel is in the hole of one pass; holes of a pass are ``patch_px`` apart.
    """
    row = (torch.arange(height) // patch_px) % 2
    column = (torch.arange(width) // patch_px) % 2
    which = 2 * row[:, None] + column[None, :]
    return (which[None, None] == torch.arange(PASSES)[:, None, None, None]).float()


class _Branch(nn.Module):
    """Features of two stages, brought together, filled at three reaches, and shown."""

    def __init__(self, channels: tuple[int, int], width: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(sum(channels), width, 1)
        self.fill = nn.ModuleList(_conv(width, width, dilation=reach) for reach in (1, 2, 4))
        self.mix = nn.Conv2d(3 * width, width, 1)
        self.show = nn.Conv2d(width, 1, 1)

    def forward(self, fine: Tensor, coarse: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
        joined = self.join(torch.cat([_bring(fine, size), _bring(coarse, size)], dim=1))
        filled = self.mix(torch.cat([fill(joined) for fill in self.fill], dim=1))
        return filled, self.show(filled)


class _Equalize(nn.Module):
    """Weigh channels by what the whole picture says of them (squeeze and excitation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.Linear(channels, channels // 4), nn.ReLU(), nn.Linear(channels // 4, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        weights = torch.sigmoid(self.weights(features.mean(dim=(2, 3))))
        return features * weights[..., None, None]


def _conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation)
    return nn.Sequential(layer, nn.LeakyReLU(0.2))


def _bring(features: Tensor, size: torch.Size) -> Tensor:
    if features.shape[-2:] == size:
        return features
    if features.shape[-1] > size[-1]:
        return functional.avg_pool2d(features, 2)
    return functional.interpolate(features, size=size)


def _enlarge(images: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(
        images, size=(height, width), mode="bilinear", align_corners=False
    )
