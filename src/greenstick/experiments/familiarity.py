"""What a finished model has seen, so that a reader can tell what is strange to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.pixels import PixelStore
from greenstick.models.card import NETWORK, Precision
from greenstick.models.familiar import (
    FAMILIAR,
    for_coarser,
    learn_familiar,
    read_familiar,
    write_familiar,
)
from greenstick.models.tiles import tile_corners
from greenstick.radiographs.canvas import as_images
from greenstick.reading.runtime import Runtime

#: Enough to know the training images' looks; a reader's time is not spent on more.
_MOST, _FEWEST = 400, 10

Floats = NDArray[np.float32]


def note_familiar(
    folder: Path,
    store: PixelStore,
    train: Sequence[bytes],
    valid: Sequence[bytes],
    *,
    seen_px: int = 0,
) -> None:
    """Learn the looks of a model's training images, and write them into its folder.

    Each is seen as it is, and once more as another machine might show it: a model that was trained
    with augmentation takes both alike. The threshold comes from validation images as they are, the
    level at which nothing is read from them varied. Nothing is written where there are too few of
    either, or where the network does not say how an image looks.

    Parameters
    ----------
    folder
        The model's, with its ``model.onnx``.
    store, train, valid
        Where its images are, and their keys.
    seen_px
        Side of the tiles that a detector sees one by one; 0: it sees whole canvases.
    """
    (folder / FAMILIAR).unlink(missing_ok=True)  # of an earlier model in the same place
    look = _Look(folder / NETWORK, seen_px or store.canvas_px)
    if not look.is_told:
        return
    dice = np.random.default_rng(0)
    learned, held = (_looks(look, store, _some(keys), dice) for keys in (train, valid))
    if min(len(learned.plain), len(held.plain)) < _FEWEST:
        return
    known = learn_familiar(
        np.concatenate([learned.plain, learned.varied]),
        held.plain,
        varied=held.varied,
        chosen_on="valid",
    )
    write_familiar(folder, known)


def bring_familiar(
    folder: Path, network: Path, canvases: NDArray[np.uint8] | None, precision: Precision
) -> None:
    """Bring what is familiar to a model along to an export of its network.

    Parameters
    ----------
    folder, network
        The model's folder, and the exported file, in whose folder it is written.
    canvases
        uint8 (n, S, S): familiar ones, by which coarser numbers are told anew; None for exact ones.
    precision
        What the export computes in.
    """
    known = read_familiar(folder)
    if known is None:
        return
    if canvases is not None and len(canvases) >= _FEWEST:
        px = canvases.shape[-1]
        ways = _Look(folder / NETWORK, px), _Look(network, px, precision)
        looks, coarser = (
            np.stack([look(as_images(one[None])) for one in canvases]) for look in ways
        )
        known = for_coarser(known, looks, coarser)
    write_familiar(network.parent, known)


@dataclass(frozen=True, eq=False)
class _Looks:
    plain: Floats
    varied: Floats


class _Look:
    """How an image looks to a network: the mean of its tiles' looks."""

    def __init__(self, network: Path, seen_px: int, precision: Precision = "f32") -> None:
        self._runtime = Runtime(network, seen_px, precision=precision, only="look")
        self._px = seen_px
        self.is_told = "look" in self._runtime.outputs

    def __call__(self, image: Floats) -> Floats:
        """Return how it looks, (D,)."""
        parts = [
            np.ascontiguousarray(image[..., top : top + self._px, left : left + self._px])
            for left, top in tile_corners(image.shape[-1], self._px)
        ]
        looks = [self._runtime.values(part)["look"][0] for part in parts]
        return np.asarray(np.mean(looks, axis=0), np.float32)


def _some(keys: Sequence[bytes]) -> Sequence[bytes]:
    if len(keys) <= _MOST:
        return keys
    some: list[bytes] = pl.Series(keys, dtype=pl.Binary).sample(_MOST, seed=0).to_list()
    return some


def _looks(
    look: _Look, store: PixelStore, keys: Sequence[bytes], dice: np.random.Generator
) -> _Looks:
    plain: list[Floats] = []
    varied: list[Floats] = []
    for key in keys:
        image = as_images(store.gather([key]))
        plain.append(look(image))
        varied.append(look(_vary(image, dice)))
    return _Looks(np.array(plain, np.float32), np.array(varied, np.float32))


def _vary(image: Floats, dice: np.random.Generator) -> Floats:
    """Return an image at another exposure, contrast and noise, as recipes draw them."""
    changed = image ** np.exp(dice.uniform(-0.5, 0.5))
    middle = changed.mean()
    changed = (changed - middle) * dice.uniform(0.65, 1.35) + middle + dice.uniform(-0.1, 0.1)
    changed += dice.normal(0.0, dice.uniform(0.0, 0.04), changed.shape)
    return np.asarray(np.clip(changed, 0.0, 1.0), np.float32)
