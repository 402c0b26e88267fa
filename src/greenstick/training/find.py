"""A detector over many images of the pixel store."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from greenstick.cohorts.pixels import PixelStore
from greenstick.models.detector import Detections, Detector
from greenstick.models.finding import MOST, Manner, Network, Said, find_on, on_original
from greenstick.models.merging import Merged, merge


def merged_of(found: Detections, *, iou: float = 0.5) -> list[Merged]:
    """Merge the overlapping boxes of each image of a batch."""
    corners, logits = found.boxes.float().cpu().numpy(), found.logits.float()
    scores = torch.sigmoid(logits).cpu().numpy()
    return [merge(c, s, iou=iou, most=MOST) for c, s in zip(corners, scores, strict=True)]


def find_boxes(
    model: Detector | Network,
    store: PixelStore,
    keys: Sequence[bytes],
    manner: Manner | None = None,
    *,
    batch: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> list[Merged]:
    """Find boxes in images of the store, in float32, in pixels of the originals.

    Parameters
    ----------
    model
        Is put into evaluation mode, and stays on its device; or any runtime's network.
    store, keys
        The images.
    manner
        How to look at them.
    batch
        Images at a time.
    progress
        Called with (done, all) after each batch.
    """
    network = _by_torch(model) if isinstance(model, Detector) else model
    merged: list[Merged] = []
    for start in range(0, len(keys), batch):
        some = list(keys[start : start + batch])
        found = find_on(store.gather(some), network, manner or Manner()).merged
        merged += [
            on_original(one, store.placement(key)) for one, key in zip(found, some, strict=True)
        ]
        if progress is not None:
            progress(len(merged), len(keys))
    return merged


def _by_torch(model: Detector) -> Network:
    model.eval()
    device = next(model.parameters()).device

    def network(images: NDArray[np.float32]) -> Said:
        with torch.inference_mode():
            found: Detections = model(torch.from_numpy(images).to(device))
        return Said(*(each.cpu().numpy() for each in found))

    return network


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
