"""A detector over canvases: its mirror, its tiles, and merging; NumPy, so any runtime serves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from greenstick.models.cells import mean_with_mirror
from greenstick.models.merging import Merged, merge
from greenstick.models.tiles import cut_by_seam, tile_corners
from greenstick.radiographs.canvas import Placement, as_images

Floats = NDArray[np.floating]


class Said(NamedTuple):
    """What a network says of n images.

    Attributes
    ----------
    boxes, logits
        (n, K, 4) and (n, K, C), as of :class:`~greenstick.models.detector.Detections`.
    look
        (n, D): how each looks to it; None for a network that does not say.
    """

    boxes: Floats
    logits: Floats
    look: Floats | None = None


#: Says something of images, float32 (n, 1, S, S) in [0, 1].
Network = Callable[[NDArray[np.float32]], Said]


class Finds(NamedTuple):
    """What is found on n canvases.

    Attributes
    ----------
    merged
        The boxes on each.
    looks
        (n, D): how each looks to the network, the mean over its tiles; None where it does not say.
    """

    merged: list[Merged]
    looks: Floats | None


#: Boxes that are kept of an image.
MOST = 100


@dataclass(frozen=True)
class Manner:
    """How a detector looks at a canvas.

    Attributes
    ----------
    flip
        Whether to look at the mirror too, and take the mean of both for each cell.
    tile_px
        Side of the overlapping tiles that it looks at one by one; 0: the whole canvas at once.
    iou
        A box that overlaps a surer one of its class by more is dropped.
    across
        Whether a box must also give way to a surer one of another class.
    """

    flip: bool = False
    tile_px: int = 0
    iou: float = 0.5
    across: bool = False


def find_on(canvases: NDArray[np.uint8], network: Network, manner: Manner) -> Finds:
    """Return the merged boxes of canvases (n, S, S), in their pixels, and how each looks."""
    size_px = canvases.shape[-1]
    side = min(manner.tile_px or size_px, size_px)
    corners, logits, cut, looks = [], [], [], []
    for left, top in tile_corners(size_px, side):
        part = canvases[:, top : top + side, left : left + side]
        said = _say(part, network, flip=manner.flip)
        cut.append(cut_by_seam(said.boxes, (left, top), side, size_px))
        corners.append(said.boxes + np.array([left, top, left, top]))
        logits.append(said.logits)
        looks += [] if said.look is None else [said.look]
    each = zip(
        np.concatenate(corners, axis=1),
        expit(np.concatenate(logits, axis=1)),
        np.concatenate(cut, axis=1),
        strict=True,
    )
    merged = [
        merge(boxes, scores, cut=ends, iou=manner.iou, most=MOST, across=manner.across)
        for boxes, scores, ends in each
    ]
    return Finds(merged, np.mean(looks, axis=0) if looks else None)


def _say(part: NDArray[np.uint8], network: Network, *, flip: bool) -> Said:
    images = as_images(part)
    said = network(np.ascontiguousarray(images))
    if not flip:
        return said
    mirrored = network(np.ascontiguousarray(images[..., ::-1]))
    both = mean_with_mirror(
        said.boxes, said.logits, mirrored.boxes, mirrored.logits, part.shape[-1]
    )
    return Said(*both, said.look)


def on_original(found: Merged, placement: Placement) -> Merged:
    """Map boxes from the canvas to the original, cut at its edges; what lies outside is dropped."""
    low, high = found.corners[:, :2], found.corners[:, 2:]
    xywh = placement.to_original(np.concatenate([low, high - low], axis=1))
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    corners = np.clip(corners, 0.0, np.tile(np.array(placement.original_size_px, float), 2))
    seen = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return Merged(corners, found.scores, found.classes).take(seen)
