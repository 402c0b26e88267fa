"""Augmentation of whole batches: draw, then apply. What was drawn can be kept and replayed.

All geometry (flip, turn, rotation, scale, shift, crop) is one affine map from pixels of the
output to pixels of the canvas, so an image is resampled once, and boxes move with it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from greenstick.training.predict import to_images
from greenstick.training.recipe import Augmentation


@dataclass(frozen=True)
class Drawn:
    """What was drawn for a batch of n images. Tensors are on the CPU, float32 if not told.

    Attributes
    ----------
    canvas_px, output_px
        Sides of the canvas that goes in and of the image that comes out.
    turns
        (n, 2, 2): direction of the output's x and y axes on the canvas, one canvas pixel long
        for each output pixel at scale 1.
    centers
        (n, 2): the canvas point (x, y) at the output's center, in pixels.
    gamma, contrast, brightness, noise
        (n,): exponent, factor, addition, standard deviation.
    noise_seeds
        (n,): int64, seeds of the noise itself.
    holes
        (n, 3): center x, y and side of a blanked square, in shares of the output's side.
    """

    canvas_px: int
    output_px: int
    turns: Tensor
    centers: Tensor
    gamma: Tensor
    contrast: Tensor
    brightness: Tensor
    noise: Tensor
    noise_seeds: Tensor
    holes: Tensor


def draw(
    settings: Augmentation,
    n: int,
    *,
    canvas_px: int,
    output_px: int,
    generator: Generator,
    centers: Tensor | None = None,
    step: float = 1.0,
) -> Drawn:
    """Draw the augmentation of n images.

    Parameters
    ----------
    settings
        How far to go.
    canvas_px, output_px
        Sides; an output smaller than the canvas is a crop of it, unless ``step`` is larger.
    generator
        On the CPU, so that one seed draws the same on every device.
    centers
        (n, 2): where the output's center lies on the canvas before the shift; None: the middle.
    step
        Canvas pixels between two of the output, before any scaling that is drawn; with
        ``canvas_px / output_px`` a smaller output shows the whole canvas.
    """

    def spread(width: float) -> Tensor:
        return (2.0 * torch.rand(n, generator=generator) - 1.0) * width

    middle = torch.full((n, 2), canvas_px / 2.0) if centers is None else centers
    shifts = torch.stack([spread(settings.shift), spread(settings.shift)], dim=1)
    turns = _draw_turns(settings, n, generator) * step
    if settings.resized_crop < 1.0:
        area = 1.0 - torch.rand(n, generator=generator) * (1.0 - settings.resized_crop)
        side = area.sqrt()
        turns = turns * side[:, None, None]
        free = (1.0 - side[:, None]) / 2.0  # how far the window may go to either side
        shifts = shifts + (2.0 * torch.rand(n, 2, generator=generator) - 1.0) * free
    return Drawn(
        canvas_px=canvas_px,
        output_px=output_px,
        turns=turns,
        centers=middle + shifts * (output_px * step),
        gamma=torch.exp(spread(settings.exposure)),
        contrast=1.0 + spread(settings.contrast),
        brightness=spread(settings.brightness),
        noise=torch.rand(n, generator=generator) * settings.noise,
        noise_seeds=torch.randint(2**31, (n,), generator=generator),
        holes=torch.rand(n, 3, generator=generator) * torch.tensor([1.0, 1.0, settings.cut_out]),
    )


def join(drawn: Sequence[Drawn]) -> Drawn:
    """Return what was drawn for several batches of one size as one batch's."""
    names = [field.name for field in fields(Drawn) if field.type is Tensor]
    joined: dict[str, Any] = {
        name: torch.cat([getattr(one, name) for one in drawn]) for name in names
    }
    return replace(drawn[0], **joined)


def _draw_turns(settings: Augmentation, n: int, generator: Generator) -> Tensor:
    angle = (2.0 * torch.rand(n, generator=generator) - 1.0) * settings.rotate_degrees
    angle = torch.deg2rad(angle)
    quarters = torch.randint(4, (n,), generator=generator)
    if settings.turn_90:
        angle = angle + quarters * (math.pi / 2)
    spread = 2.0 * torch.rand(n, generator=generator) - 1.0
    step = torch.exp(-spread * math.log1p(settings.scale))  # canvas pixels an output pixel
    mirrored = torch.rand(n, 2, generator=generator) < 0.5
    wanted = torch.tensor([settings.flip_horizontal, settings.flip_vertical])
    sign = torch.where(mirrored & wanted, -1.0, 1.0)
    cos, sin = torch.cos(angle) * step, torch.sin(angle) * step
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    return rotation * sign[:, None, :]


def apply(drawn: Drawn, canvases: Tensor) -> Tensor:
    """Apply what was drawn to canvases.

    Parameters
    ----------
    canvases
        uint8 of shape (n, canvas_px, canvas_px), on any device.

    Returns
    -------
    images
        float32 of shape (n, 1, output_px, output_px) in [0, 1].
    """
    images = to_images(canvases)
    grid = _grid(drawn, images.device)
    images = functional.grid_sample(images, grid, align_corners=False)
    return _blank(drawn, _expose(drawn, images))


def move_boxes(drawn: Drawn, boxes: Tensor) -> Tensor:
    """Move boxes with their images.

    Parameters
    ----------
    boxes
        (n, k, 4): left, top, right, bottom on the canvas, in pixels.

    Returns
    -------
    boxes
        (n, k, 4): the upright rectangles around the moved boxes, in pixels of the output, cut at
        its edges; what lies outside has no area.
    """
    corners = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].unflatten(-1, (4, 2))  # type: ignore[no-untyped-call]
    from_center = corners - drawn.centers.to(boxes)[:, None, None, :]
    back = torch.linalg.inv(drawn.turns).to(boxes)
    moved = torch.einsum("nij,nkcj->nkci", back, from_center) + drawn.output_px / 2.0
    low, high = moved.amin(dim=2), moved.amax(dim=2)
    return torch.cat([low, high], dim=-1).clamp(0.0, float(drawn.output_px))


def _grid(drawn: Drawn, device: torch.device) -> Tensor:
    """Return where each output pixel lies on the canvas, (n, h, w, 2), from -1 to 1.

    As ``functional.affine_grid``, whose general matrix product takes longer than the sampling.
    """
    px = drawn.output_px
    side = (torch.arange(px, device=device) * 2.0 + 1.0) / px - 1.0
    turns = (drawn.turns * (px / drawn.canvas_px)).to(device)
    centers = (drawn.centers * (2.0 / drawn.canvas_px) - 1.0).to(device)
    grid = torch.empty(len(turns), px, px, 2, device=device)
    for axis in range(2):
        across = turns[:, axis, 0, None, None] * side
        down = turns[:, axis, 1, None, None] * side[:, None] + centers[:, axis, None, None]
        torch.add(across, down, out=grid[..., axis])
    return grid


def _expose(drawn: Drawn, images: Tensor) -> Tensor:
    def each(values: Tensor) -> Tensor:
        return values.to(images.device).view(-1, 1, 1, 1)

    # Gamma is undefined at 0 for the gradient only, and none is taken here.
    images = images.clamp_(0.0, 1.0).pow_(each(drawn.gamma))
    images.sub_(0.5).mul_(each(drawn.contrast)).add_(0.5 + each(drawn.brightness))
    if bool((drawn.noise > 0).any()):
        images.addcmul_(_noise(drawn, images), each(drawn.noise))
    return images.clamp_(0.0, 1.0)


def _noise(drawn: Drawn, images: Tensor) -> Tensor:
    """Return noise of standard deviation 1, each image's by its own seed."""
    generator = Generator(images.device)
    noise = torch.empty_like(images)
    for image, seed in zip(noise, drawn.noise_seeds.tolist(), strict=True):
        image.normal_(generator=generator.manual_seed(seed))
    return noise


def _blank(drawn: Drawn, images: Tensor) -> Tensor:
    if not bool((drawn.holes[:, 2] > 0).any()):
        return images
    side = (torch.arange(drawn.output_px, device=images.device) + 0.5) / drawn.output_px
    x, y, width = drawn.holes.to(images.device).unbind(1)
    across = (side[None, :] - x[:, None]).abs() < width[:, None] / 2
    down = (side[None, :] - y[:, None]).abs() < width[:, None] / 2
    return images.masked_fill_((down[:, :, None] & across[:, None, :])[:, None], 0.0)
