"""What a finished model has seen, so that a reader can tell what is strange to it."""

from collections.abc import Sequence
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

    The threshold comes from the fold's validation images. Nothing is written where there are too
    few of either, or where the network does not say how an image looks.
    """
    runtime = Runtime(folder / NETWORK, read_card(folder).canvas_px)
    if "look" not in runtime.outputs:
        return
    train, valid = (
        _looks(runtime, pixels, _some(fold.rows(cohort, split))) for split in ("train", "valid")
    )
    if min(len(train), len(valid)) >= _FEWEST:
        write_familiar(folder, learn_familiar(train, valid, chosen_on="valid"))


def _some(rows: pl.DataFrame) -> pl.DataFrame:
    return rows if rows.height <= _MOST else rows.sample(_MOST, seed=0)


def _looks(runtime: Runtime, pixels: Pixels, rows: pl.DataFrame) -> NDArray[np.float32]:
    keys: Sequence[bytes] = pixels.keys_of(rows)
    looks = []
    for key in keys:
        image = pixels.store.gather([key]).astype(np.float32)[:, None] / np.float32(255.0)
        look = runtime(image).look
        assert look is not None
        looks.append(look[0])
    return np.array(looks, np.float32)
