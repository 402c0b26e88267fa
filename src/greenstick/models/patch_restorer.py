"""The restorer: what intact bone would look like in the holes of a picture.

A mutual encoder-decoder (Liu et al., ECCV 2020): shallow features fill the texture, deep ones the
structure, and each is weighed by what both have in common. Holes of a pass do not touch, so that
four passes restore every place of a picture from what surrounds it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from greenstick.models.patch_guides import (
    BLOCK_PX,
    between_blocks,
    count_guides,
    guides,
    smooth_blocks,
)
from greenstick.models.patch_settings import RestorerSettings

PASSES = 4
_FINE = BLOCK_PX  # what the first stage works on


class Restoration(NamedTuple):
    """What a restorer makes of pictures with holes.

    Attributes
    ----------
    images
        (N, P, H, W): each whole picture as each pass fills it; only the holes of it are of use.
    structure, texture
        (P N, 1, H / 8, W / 8), a pass at a time: what either branch alone makes of it, to be
        taught what it is for.
    """

    images: Tensor
    structure: Tensor
    texture: Tensor


class Restorer(nn.Module):
    """Pictures with holes in, whole pictures out.

    It works on blocks of 4 and 8 px with separable convolutions: at 512 px all passes of three
    scales together cost 3 billion multiplications, a seventh of a ResNet-50 of that size.

    Parameters
    ----------
    settings
        How large, and what it is told.
    """

    def __init__(self, settings: RestorerSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.first = _mix(_FINE**2 * (2 + count_guides(settings.guide)), 2 * width)
        self.second = nn.Sequential(nn.Conv2d(2 * width, 4 * width, 2, stride=2), _bend())
        self.third = nn.Sequential(*(_reach(4 * width, 4 * width, by) for by in (1, 2, 4)))
        self.texture = _Branch(6 * width, 2 * width)
        self.structure = _Branch(8 * width, 2 * width)
        self.weigh = _Equalize(4 * width)
        self.merge = _reach(8 * width, 4 * width, 1)
        self.widen = _mix(4 * width, 4 * width)
        change = nn.Conv2d(2 * width, _FINE**2, 1)
        nn.init.normal_(change.weight, std=0.01)
        self.last = nn.Sequential(_reach(3 * width, 2 * width, 1), change)

    def forward(self, images: Tensor, holes: Tensor) -> Restoration:
        """Fill holes.

        Parameters
        ----------
        images
            float32 (N, 1, H, W) in [0, 1], whole: what lies in the holes is taken out here. H and
            W are multiples of 8.
        holes
            (N, P, H, W) of 0 and 1, made of whole blocks of 4 px: those of each of P passes,
            restored each by itself.
        """
        seen = self._look(images, holes)
        blocks = seen.begun + self.last(torch.cat([seen.fine, seen.wide], dim=1))
        whole = functional.pixel_shuffle(blocks, _FINE)
        each = whole.reshape(holes.shape[1], -1, *images.shape[-2:]).transpose(0, 1)
        return Restoration(each, seen.structure, seen.texture)

    def patch(self, images: Tensor, holes: Tensor) -> Tensor:
        """Return the holes of all passes alone, as :meth:`forward` fills them: (N, 1, H, W).

        What is of use of each pass is chosen before the last mixing, which is then done once.

        Parameters
        ----------
        images
            As of :meth:`forward`.
        holes
            (1, P, H, W): every place is in the hole of one pass.
        """
        seen = self._look(images, holes)
        before, change = self.last
        assert isinstance(before, nn.Sequential)
        reach, mix = before[0], before[1:]
        assert isinstance(reach, nn.Conv2d)
        width = seen.fine.shape[1]
        parts = (
            _chosen(_around(reach, seen.fine, slice(None, width)), seen.hole),
            _chosen(_around(reach, seen.wide, slice(width, None)), seen.hole),
        )
        blocks = _chosen(seen.begun, seen.hole) + change(mix(torch.cat(parts, dim=1)))
        return functional.pixel_shuffle(blocks, _FINE)

    def _look(self, images: Tensor, holes: Tensor) -> "_Seen":
        hole = holes[..., ::_FINE, ::_FINE].to(images).transpose(0, 1)[:, :, None]  # whole blocks
        smooth = smooth_blocks(images, holes, self.settings.patch_px)
        plain = functional.pixel_unshuffle(images, _FINE)
        begun = smooth.reshape(len(hole), -1, *smooth.shape[1:]) * hole + plain * (1.0 - hole)
        begun = begun.flatten(0, 1)
        fine = self.first(self._told(images, begun, hole))
        second = self.second(fine)
        texture, texture_picture = self.texture(
            torch.cat([functional.avg_pool2d(fine, 2), second], dim=1)
        )
        structure, structure_picture = self.structure(
            torch.cat([second, self.third(second)], dim=1)
        )
        both = self.weigh(torch.cat([texture, structure], dim=1))
        merged = self.merge(torch.cat([second, both], dim=1))
        wide = functional.pixel_shuffle(self.widen(merged), 2)
        return _Seen(begun, hole, fine, wide, structure_picture, texture_picture)

    def _told(self, images: Tensor, begun: Tensor, hole: Tensor) -> Tensor:
        """Return what each pass sees, in blocks: (P N, ...). The guide is the same for all."""
        passes, n = hole.shape[0], len(images)
        shown = hole.expand(-1, n, _FINE**2, -1, -1).flatten(0, 1)
        seen = [begun, shown]
        if self.settings.guide != "none":
            told = functional.pixel_unshuffle(guides(images, self.settings.guide), _FINE)
            seen.append(told[None].expand(passes, -1, -1, -1, -1).flatten(0, 1))
        return torch.cat(seen, dim=1)


class _Seen(NamedTuple):
    """What a restorer sees before its last layers, in blocks, a pass at a time (P N, ...).

    ``hole``, (P, N or 1, 1, H / 4, W / 4), says of each block whether it is in a hole; ``begun`` is
    the picture with its holes filled smoothly.
    """

    begun: Tensor
    hole: Tensor
    fine: Tensor
    wide: Tensor
    structure: Tensor
    texture: Tensor


def _chosen(values: Tensor, hole: Tensor) -> Tensor:
    """Return of each block what the pass says in whose hole it lies: (N, C, h, w)."""
    n = len(values) // len(hole)
    chosen = values[:n] * hole[0]
    for number in range(1, len(hole)):
        chosen = chosen + values[number * n : (number + 1) * n] * hole[number]
    return chosen


def _around(reach: nn.Conv2d, values: Tensor, channels: slice) -> Tensor:
    """Let some channels of a depthwise convolution look around."""
    assert reach.bias is not None
    return functional.conv2d(
        values,
        reach.weight[channels],
        reach.bias[channels],
        padding=reach.padding,
        groups=values.shape[1],
    )


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
    return restorer.patch(images, holes.transpose(0, 1)).clamp(0.0, 1.0)


def restore_scales(restorer: Restorer, images: Tensor) -> Tensor:
    """Restore pictures at each scale, enlarged again: (N, scales, H, W).

    H and W are multiples of 8 times the coarsest scale.
    """
    restored = []
    for scale in restorer.settings.scales:
        one = restore(restorer, _shrink(images, scale))
        restored.append(_enlarge(one, scale))
    return torch.cat(restored, dim=1)


def residuals(restorer: Restorer, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return pictures as restored, and how far they depart from it, both (N, scales, H, W).

    A coarse restoration is compared with the picture at its own scale, so that detail which a
    coarse one cannot hold is no departure.
    """
    restored = restore_scales(restorer, images)
    seen = [_enlarge(_shrink(images, scale), scale) for scale in restorer.settings.scales]
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

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(inputs, width, 1)
        self.fill = nn.ModuleList(_reach(width, width, by) for by in (1, 2, 4))
        self.mix = nn.Conv2d(3 * width, width, 1)
        self.show = nn.Conv2d(width, 1, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        joined = self.join(features)
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


def _mix(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), _bend())


def _reach(inputs: int, outputs: int, by: int) -> nn.Sequential:
    """Look ``by`` places around in each channel, then mix the channels."""
    around = nn.Conv2d(inputs, inputs, 3, padding=by, dilation=by, groups=inputs)
    return nn.Sequential(around, *_mix(inputs, outputs))


def _bend() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2)


def _shrink(images: Tensor, scale: int) -> Tensor:
    return functional.avg_pool2d(images, scale) if scale > 1 else images


def _enlarge(images: Tensor, scale: int) -> Tensor:
    """Enlarge (N, 1, h, w) so many times, bilinearly."""
    if scale == 1:
        return images
    return functional.pixel_shuffle(between_blocks(images, scale), scale)
