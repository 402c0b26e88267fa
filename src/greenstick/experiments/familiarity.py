"""What a finished model has seen, so that a reader can tell what is strange to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.cohort import Cohort
from greenstick.experiments.folds import Fold
from greenstick.experiments.pixels import Pixels
from greenstick.models.card import NETWORK, read_card
from greenstick.models.familiar import learn_familiar, write_familiar
from greenstick.reading.runtime import Runtime

#: Enough to know the training images' looks; a reader's time is not spent on more.
_MOST, _FEWEST = 400, 10


def note_familiar(folder: Path, fold: Fold, cohort: Cohort, pixels: Pixels) -> None:
    """Learn the looks of a fold's training images, and write them into a model's folder.

    Each is seen as it is, and once more as another machine might show it: a model that was trained
    with augmentation takes both alike. The threshold comes from the fold's validation images as
    they are, the level at which nothing is read from them varied. Nothing is written where there
    are too few of either, or where the network does not say how an image looks.
    """
    runtime = Runtime(folder / NETWORK, read_card(folder).canvas_px, only="look")
    if "look" not in runtime.outputs:
        return
    dice = np.random.default_rng(0)
    train, valid = (
        _looks(runtime, pixels, _some(fold.rows(cohort, split)), dice)
        for split in ("train", "valid")
    )
    if min(len(train.plain), len(valid.plain)) < _FEWEST:
        return
    known = learn_familiar(
        np.concatenate([train.plain, train.varied]),
        valid.plain,
        varied=valid.varied,
        chosen_on="valid",
    )
    write_familiar(folder, known)


@dataclass(frozen=True, eq=False)
class _Looks:
    plain: NDArray[np.float32]
    varied: NDArray[np.float32]


def _some(rows: pl.DataFrame) -> pl.DataFrame:
    return rows if rows.height <= _MOST else rows.sample(_MOST, seed=0)


def _looks(
    runtime: Runtime, pixels: Pixels, rows: pl.DataFrame, dice: np.random.Generator
) -> _Looks:
    keys: Sequence[bytes] = pixels.keys_of(rows)
    plain: list[NDArray[np.float32]] = []
    varied: list[NDArray[np.float32]] = []
    for key in keys:
        image = pixels.store.gather([key]).astype(np.float32)[:, None] / np.float32(255.0)
        for looks, shown in ((plain, image), (varied, _vary(image, dice))):
            looks.append(runtime.values(shown)["look"][0])
    return _Looks(np.array(plain, np.float32), np.array(varied, np.float32))


def _vary(image: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    """Return an image at another exposure, contrast and noise, as recipes draw them."""
    changed = image ** np.exp(dice.uniform(-0.5, 0.5))
    middle = changed.mean()
    changed = (changed - middle) * dice.uniform(0.65, 1.35) + middle + dice.uniform(-0.1, 0.1)
    changed += dice.normal(0.0, dice.uniform(0.0, 0.04), changed.shape)
    return np.asarray(np.clip(changed, 0.0, 1.0), np.float32)
