"""A head on a frozen backbone: its features are computed once, and the head learns from these.

Nothing in front of the head changes while it learns, so that each version of an image need go
through the network only once, whatever the epochs.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from greenstick.files import write_whole
from greenstick.models.classifier import Classifier
from greenstick.models.head_alone import HeadAlone, feature_shapes, head_features
from greenstick.models.parts import write_weights
from greenstick.training.consistency import learns_unlabeled
from greenstick.training.keeper import BEST, TrainingProgress
from greenstick.training.learner import Learner
from greenstick.training.predict import to_images
from greenstick.training.recipe import NO_AUGMENTATION, Recipe
from greenstick.training.samples import Batch, RowDataset, Rows, Source, TrainingData
from greenstick.training.views import View, best_layout, draw_copies, look

FEATURES = "features.npy"
#: More than this on disk, and images go through the network each epoch.
MOST_BYTES = 8 * 2**30


def keeps_features(recipe: Recipe, model: Classifier, data: TrainingData) -> bool:
    """Return whether the features of a fit can be computed once.

    The backbone must be frozen for good, nothing be drawn anew each epoch, images be seen whole
    and in one size; and there must be room.
    """
    drawn_anew = not recipe.copies and recipe.augmentation != NO_AUGMENTATION
    in_parts = recipe.crop_px or recipe.start_epochs or recipe.box_loss_weight
    in_parts = in_parts or recipe.loss == "cells"
    if recipe.freeze != "head-only" or not recipe.keep_features or drawn_anew or in_parts:
        return False
    if model.settings.drop_path or learns_unlabeled(recipe, data):
        return False
    images = len(data.train) * (recipe.copies or 1) + len(data.valid)
    numbers = sum(map(math.prod, feature_shapes(model, recipe.canvas_px)))
    return 4 * images * numbers <= MOST_BYTES


@dataclass(frozen=True)
class FeatureStore:
    """Features on disk, in place of a pixel store: float32, a row an image."""

    path: Path
    canvas_px: int

    def gather(self, keys: Sequence[bytes]) -> NDArray[np.float32]:
        """Return the features (n, D) of rows, whose keys are their numbers."""
        rows = [int.from_bytes(key, "big") for key in keys]
        return np.array(np.load(self.path, mmap_mode="r")[rows])


class HeadLearner(Learner):
    """Trains a head on features, which its batches hold in place of canvases."""

    def see(self, batch: Batch, _: int) -> View:
        """Return the batch as it is."""
        return View(batch.canvases, batch.boxes, batch.box_classes, batch.annotated, batch.labels)

    def see_plain(self, batch: Batch) -> Tensor:
        """Return the features as they are."""
        return batch.canvases


def head_learner(
    model: Classifier,
    recipe: Recipe,
    data: TrainingData,
    folder: Path,
    *,
    seed: int,
    autocast: bool,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> HeadLearner:
    """Return the learner of a classifier's head.

    The features are computed first, where an earlier call in this folder has not done so.

    Parameters
    ----------
    model
        On the device to compute on.
    recipe, data, seed, autocast
        As for :class:`Learner`.
    folder
        Where :data:`FEATURES` is kept.
    progress
        Called after each batch of features, as if it were a step of the first epoch.
    """
    train = data.train.copies(recipe.copies or 1)
    images = len(train) + len(data.valid)
    store = FeatureStore(folder / FEATURES, recipe.canvas_px)
    if not store.path.is_file():
        computed = _compute(model, recipe, data, seed=seed, autocast=autocast)
        told = _tell(computed, images, recipe, progress)
        write_whole(store.path, lambda part: _write(part, told, images))
    keys = [row.to_bytes(8, "big") for row in range(images)]
    features = TrainingData(
        store,
        Rows(keys[: len(train)], train.labels, train.boxes),
        Rows(keys[len(train) :], data.valid.labels, data.valid.boxes),
    )
    rest = recipe.model_copy(update={"copies": 0, "augmentation": NO_AUGMENTATION})
    return HeadLearner(
        HeadAlone(model, recipe.canvas_px), rest, features, seed=seed, autocast=False
    )


def join_head(model: Classifier, folder: Path) -> None:
    """Make the best weights, which are a head's so far, those of the whole classifier."""
    model.load_state_dict(load_file(folder / BEST), strict=False)
    write_weights(model, folder / BEST)
    (folder / FEATURES).unlink(missing_ok=True)


def _compute(
    model: Classifier, recipe: Recipe, data: TrainingData, *, seed: int, autocast: bool
) -> Iterator[Tensor]:
    """Give the features of all copies of the training rows, then of the validation rows."""
    device = model.mean.device
    for images in _see_all(recipe, data, seed=seed, device=device):
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            yield head_features(model, images).cpu()


def _see_all(
    recipe: Recipe, data: TrainingData, *, seed: int, device: torch.device
) -> Iterator[Tensor]:
    train = data.train.copies(recipe.copies or 1)
    for rows, batch in _batches(data.store, train, recipe.batch_size):
        drawn = draw_copies(recipe, batch.boxes, rows, len(data.train), seed=seed, small=False)
        yield look(drawn, batch.to(device), recipe, small=False).images
    for _, batch in _batches(data.store, data.valid, recipe.batch_size):
        yield best_layout(to_images(batch.canvases.to(device)))


def _batches(store: Source, rows: Rows, size: int) -> Iterator[tuple[list[int], Batch]]:
    dataset = RowDataset(store, rows)
    for start in range(0, len(rows), size):
        chosen = list(range(start, min(start + size, len(rows))))
        yield chosen, dataset.__getitems__(chosen)


def _tell(
    features: Iterator[Tensor],
    images: int,
    recipe: Recipe,
    progress: Callable[[TrainingProgress], None] | None,
) -> Iterator[Tensor]:
    """Pass features on, and tell the progress."""
    start, done, steps = time.perf_counter(), 0, math.ceil(images / recipe.batch_size)
    for step, part in enumerate(features, start=1):
        yield part
        done += len(part)
        speed = done / (time.perf_counter() - start)
        left = (images - done) / speed
        if progress is not None:
            progress(TrainingProgress(0, recipe.epochs, step, steps, speed, left, math.nan))


def _write(path: Path, features: Iterator[Tensor], images: int) -> None:
    first = next(features)
    shape = (images, first.shape[1])
    whole = open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    whole[: len(first)] = first.numpy()
    done = len(first)
    for part in features:
        whole[done : done + len(part)] = part.numpy()
        done += len(part)
    whole.flush()
