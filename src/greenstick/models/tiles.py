"""Square tiles that cover a large canvas with overlap, and the boxes that their edges cut."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

#: Two neighbors share at least this part of their side.
OVERLAP = 0.25
#: A box that ends within this part of the side from a seam may go on beyond it.
_NEAR = 0.02


def tile_corners(size_px: int, tile_px: int) -> list[tuple[int, int]]:
    """Return left and top of each tile, row by row; one tile where it covers the canvas."""
    if tile_px >= size_px:
        return [(0, 0)]
    n = 1 + int(np.ceil((size_px - tile_px) / (tile_px * (1 - OVERLAP))))
    starts = np.rint(np.linspace(0, size_px - tile_px, n)).astype(int).tolist()
    return [(left, top) for top in starts for left in starts]


def cut_by_seam(
    boxes: Floats, corner: tuple[int, int], tile_px: int, size_px: int
) -> NDArray[np.bool_]:
    """Return which boxes (..., 4) of a tile, in its own pixels, end at a seam.

    A seam is an edge of the tile that is no edge of the canvas.
    """
    near = _NEAR * tile_px
    inner_low = np.array(corner) > 0
    inner_high = np.array(corner) + tile_px < size_px
    low, high = boxes[..., :2] <= near, boxes[..., 2:] >= tile_px - near
    return np.asarray((low & inner_low).any(-1) | (high & inner_high).any(-1))
