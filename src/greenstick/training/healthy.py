"""Pieces of healthy bone that a restorer learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from greenstick.errors import GreenstickError
from greenstick.radiographs.canvas import as_images
from greenstick.training.samples import Source

#: Blocks of this side (px) are told apart by their brightness.
_BLOCK_PX = 8
#: Bone is among the brightest third of what is not black; a film with less is left out.
_BRIGHTEST, _BLACK = 2.0 / 3.0, 0.05


@dataclass(frozen=True, eq=False)
class HealthyBone:
    """Images without fractures, and where there is bone on them.

    Attributes
    ----------
    source
        Where the pixels are.
    keys
        The images that show bone.
    blocks
        Of each, int64 (k, 2): row and column of its blocks of bone.
    """

    source: Source
    keys: Sequence[bytes]
    blocks: Sequence[NDArray[np.int64]]

    def draw(self, n: int, crop_px: int, scales: Sequence[int], rng: np.random.Generator) -> Tensor:
        """Draw pieces, each around a block of bone.

        Parameters
        ----------
        n
            How many.
        crop_px
            Their side.
        scales
            Each piece is of the picture at 1/scale, of a scale drawn for it.
        rng
            Where chance comes from.

        Returns
        -------
        pieces
            float32 (n, 1, crop_px, crop_px) in [0, 1], turned and mirrored at random.
        """
        chosen = rng.choice(len(self.keys), n)
        canvases = self.source.gather([self.keys[index] for index in chosen])
        pieces = [
            _turned(_piece(canvas, self.blocks[at], crop_px, int(rng.choice(scales)), rng), rng)
            for canvas, at in zip(canvases, chosen, strict=True)
        ]
        return torch.from_numpy(as_images(np.stack(pieces)))


def find_healthy_bone(
    source: Source, keys: Sequence[bytes], crop_px: int, scales: Sequence[int]
) -> HealthyBone:
    """Take the images that show bone.

    Parameters
    ----------
    source, keys
        Images without fractures.
    crop_px, scales
        As for :meth:`HealthyBone.draw`.

    Raises
    ------
    GreenstickError
        Where there are none, all are black, or a canvas is smaller than a piece.
    """
    if not keys:
        raise GreenstickError(
            "There are no healthy images: a restorer learns from those alone.",
            remedy="Give a cohort with images of label 0.",
        )
    needed = crop_px * max(scales)
    if source.canvas_px < needed:
        raise GreenstickError(
            f"A piece of {crop_px} px at 1/{max(scales)} needs canvases of {needed} px, and these "
            f"have {source.canvas_px}.",
            remedy="Take larger canvases, smaller pieces or fewer scales.",
        )
    blocks = {key: np.argwhere(bone_blocks(source.gather([key])[0])) for key in keys}
    shown = [key for key in keys if len(blocks[key])]
    if not shown:
        raise GreenstickError(
            f"None of the {len(keys)} healthy images shows anything: all are black or blank.",
            remedy="Look at the images; 'greenstick cohort audit' tells what else is wrong.",
        )
    return HealthyBone(source, shown, [blocks[key] for key in shown])


def bone_blocks(canvas: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which blocks of a canvas may be bone: the brightest third of those not black."""
    blocks = _shrunk(canvas, _BLOCK_PX)
    shown = blocks > _BLACK * 255.0
    if not shown.any() or np.ptp(blocks[shown]) < 1.0:
        return np.zeros(blocks.shape, np.bool_)
    return np.asarray(shown & (blocks >= np.quantile(blocks[shown], _BRIGHTEST)))


def _piece(
    canvas: NDArray[np.uint8],
    blocks: NDArray[np.int64],
    crop_px: int,
    scale: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    block = blocks[int(rng.integers(len(blocks)))]
    top, left = (
        scale * _start(int(at), scale, crop_px, side // scale, rng)
        for at, side in zip(block, canvas.shape, strict=True)
    )
    reach = crop_px * scale
    return _shrunk(canvas[top : top + reach, left : left + reach], scale)


def _start(block: int, scale: int, crop_px: int, side: int, rng: np.random.Generator) -> int:
    """Return where a piece begins, so that the block lies somewhere within it."""
    middle = (block + 0.5) * _BLOCK_PX / scale
    return int(np.clip(round(middle - crop_px * rng.uniform(0.25, 0.75)), 0, side - crop_px))


def _turned(piece: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    turned = np.rot90(piece, int(rng.integers(4)))
    return turned[:, ::-1] if rng.random() < 0.5 else turned


def _shrunk(canvas: NDArray[np.uint8], factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of ``factor`` pixels a side; what is left over is cut off."""
    height, width = (side // factor * factor for side in canvas.shape)
    whole = canvas[:height, :width].astype(np.float32)
    blocks = whole.reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))
