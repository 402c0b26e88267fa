"""What a restorer is told of a hole: where edges run, not what the bone looks like."""

import math

import torch
from torch import Tensor
from torch.nn import functional

#: Outlines are taken from a picture this smooth (px): a hairline leaves no trace in them.
CONTOUR_SIGMA = 2.0
#: Detail is what a Gaussian of this width takes away.
DETAIL_SIGMA = 3.0
#: Side (px) of the blocks in which holes are filled and restored.
BLOCK_PX = 4


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur (N, C, H, W) by a Gaussian; borders are mirrored."""
    radius = math.ceil(3.0 * sigma)
    at = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (at / sigma).square())
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    padded = functional.pad(images, (radius, radius, radius, radius), mode="reflect")
    across = functional.conv2d(padded, kernel[:, :, None, :], groups=images.shape[1])
    return functional.conv2d(across, kernel[:, :, :, None], groups=images.shape[1])


def fill_smoothly(images: Tensor, holes: Tensor, patch_px: int) -> Tensor:
    """Fill holes by a Gaussian mean of what surrounds them: where a restorer begins.

    The mean is taken of blocks of 4 px, since it is smooth anyway.

    Parameters
    ----------
    images
        (N, 1, H, W); H and W are multiples of 4.
    holes
        (N, P, H, W) of 0 and 1, made of whole blocks.
    patch_px
        Side of a hole.

    Returns
    -------
    filled
        (N, P, H, W).
    """
    wide = functional.pixel_shuffle(smooth_blocks(images, holes, patch_px), BLOCK_PX)
    each = wide.reshape(holes.shape[1], -1, *images.shape[-2:]).transpose(0, 1)
    return torch.where(holes > 0, each, images)


def smooth_blocks(images: Tensor, holes: Tensor, patch_px: int) -> Tensor:
    """Return the mean around every place, in blocks: (P N, 16, H / 4, W / 4), a pass at a time.

    Between the blocks' middles it is bilinear. Arguments are those of :func:`fill_smoothly`, and
    holes may be (1, P, H, W): the same for all images.
    """
    sigma = patch_px / 3.0 / BLOCK_PX
    kept = 1.0 - holes[..., ::BLOCK_PX, ::BLOCK_PX]
    seen = functional.avg_pool2d(images, BLOCK_PX) * kept
    around = blur(seen, sigma) / blur(kept, sigma).clamp_min(1e-4)
    return between_blocks(around.transpose(0, 1).flatten(0, 1)[:, None], BLOCK_PX)


def between_blocks(means: Tensor, times: int) -> Tensor:
    """Enlarge the means of blocks, (N, 1, h, w), bilinearly: (N, times^2, h, w), to be shuffled.

    A convolution gives what interpolation would, and sooner.
    """
    padded = functional.pad(means, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, _bilinear(means, times))


def _bilinear(like: Tensor, times: int) -> Tensor:
    """Return the weights, (times^2, 1, 3, 3), of a block and its neighbors for its pixels."""
    at = (torch.arange(times, dtype=like.dtype, device=like.device) + 0.5) / times - 0.5
    side = torch.stack([(-at).clamp_min(0.0), 1.0 - at.abs(), at.clamp_min(0.0)], dim=1)
    return (side[:, None, :, None] * side[None, :, None, :]).reshape(-1, 1, 3, 3)


def contours(images: Tensor) -> Tensor:
    """Return the slope of the smoothed picture: its outlines, (N, 1, H, W), 0 where it is flat."""
    smooth = functional.pad(blur(images, CONTOUR_SIGMA), (1, 1, 1, 1), mode="replicate")
    across = smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2]
    down = smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1]
    return 4.0 * torch.sqrt(across.square() + down.square() + 1e-8)


def detail(images: Tensor) -> Tensor:
    """Return the high frequencies: the picture less its blur, as a Gaussian high-pass filter."""
    return 4.0 * (images - blur(images, DETAIL_SIGMA))


def guides(images: Tensor, guide: str) -> Tensor:
    """Return what a restorer is told, (N, k, H, W), of images (N, 1, H, W) in [0, 1].

    Parameters
    ----------
    images
        Whole pictures.
    guide
        ``"none"`` (k = 0), ``"contours"`` (1) or ``"contours+detail"`` (2).
    """
    if guide == "none":
        return images[:, :0]
    if guide == "contours":
        return contours(images)
    return torch.cat([contours(images), detail(images)], dim=1)


def count_guides(guide: str) -> int:
    """Return k of :func:`guides`."""
    return {"none": 0, "contours": 1, "contours+detail": 2}[guide]
