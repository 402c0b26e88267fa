"""A detector over many images of the pixel store."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from greenstick.cohorts.pixels import PixelStore
from greenstick.models.detector import Detections, Detector
from greenstick.models.detector_head import STRIDES
from greenstick.models.merging import Merged, merge
from greenstick.training.predict import to_images

#: Boxes that are kept of an image.
MOST = 100


def merged_of(found: Detections, *, iou: float = 0.5) -> list[Merged]:
    """Merge the overlapping boxes of each image of a batch."""
    corners, logits = found.boxes.float().cpu().numpy(), found.logits.float()
    scores = torch.sigmoid(logits).cpu().numpy()
    return [merge(c, s, iou=iou, most=MOST) for c, s in zip(corners, scores, strict=True)]


def find_boxes(
    model: Detector,
    store: PixelStore,
    keys: Sequence[bytes],
    *,
    flip: bool = False,
    iou: float = 0.5,
    batch: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> list[Merged]:
    """Find boxes in images of the store, in float32, in pixels of the originals.

    Parameters
    ----------
    model
        Is put into evaluation mode; stays on its device.
    store, keys
        The images.
    flip
        Look at each image's mirror too, and take the mean of both for each cell.
    iou
        A box that overlaps a surer one by more is dropped.
    batch
        Images at a time.
    progress
        Called with (done, all) after each batch.
    """
    model.eval()
    device = next(model.parameters()).device
    merged: list[Merged] = []
    for start in range(0, len(keys), batch):
        some = list(keys[start : start + batch])
        images = to_images(torch.from_numpy(store.gather(some)).to(device))
        with torch.inference_mode():
            found = _with_mirror(model, images) if flip else model(images)
        merged += [
            _on_original(one, store, key)
            for one, key in zip(merged_of(found, iou=iou), some, strict=True)
        ]
        if progress is not None:
            progress(len(merged), len(keys))
    return merged


def _with_mirror(model: Detector, images: Tensor) -> Detections:
    plain: Detections = model(images)
    mirrored: Detections = model(images.flip(3))
    size = images.shape[-1]
    order = _mirrored_cells(size).to(images.device)
    left, top, right, bottom = mirrored.boxes[:, order].unbind(-1)
    back = torch.stack([size - right, top, size - left, bottom], dim=-1)
    logits = (plain.logits + mirrored.logits[:, order]) / 2.0
    return Detections((plain.boxes + back) / 2.0, logits)


def _mirrored_cells(size_px: int) -> Tensor:
    """Return for each cell the number of the one that lies there in the mirror."""
    parts, first = [], 0
    for side in (size_px // stride for stride in STRIDES):
        cells = torch.arange(first, first + side * side).view(side, side)
        parts.append(cells.flip(1).flatten())
        first += side * side
    return torch.cat(parts)


def _on_original(one: Merged, store: PixelStore, key: bytes) -> Merged:
    """Map boxes from the canvas to the original, cut at its edges; what lies outside is dropped."""
    placement = store.placement(key)
    sides = np.concatenate([one.corners[:, :2], one.corners[:, 2:] - one.corners[:, :2]], axis=1)
    xywh = placement.to_original(sides)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    corners = np.clip(corners, 0.0, np.tile(np.array(placement.original_size_px, float), 2))
    seen = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return replace(one, corners=corners).take(seen)


def as_table(
    images: Sequence[str], found: Sequence[Merged], classes: tuple[str, ...] = ("fracture",)
) -> pl.DataFrame:
    """Return boxes as a table: image, x, y, width, height, score; one row a box.

    Where there are several classes, each box's is in the column ``class``.
    """
    count = [len(one.scores) for one in found]
    corners = np.concatenate([np.zeros((0, 4)), *(one.corners for one in found)])
    table = pl.DataFrame(
        {
            "image": pl.Series(np.repeat(np.array(images, dtype=object), count), dtype=pl.String),
            "x": corners[:, 0],
            "y": corners[:, 1],
            "width": corners[:, 2] - corners[:, 0],
            "height": corners[:, 3] - corners[:, 1],
            "score": np.concatenate([np.zeros(0), *(one.scores for one in found)]),
        }
    )
    if len(classes) == 1:
        return table
    kinds = [classes[number] for one in found for number in one.classes]
    return table.with_columns(pl.Series("class", kinds, dtype=pl.String))
