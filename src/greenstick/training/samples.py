"""What is trained on: rows of the pixel store, and the order in which they are drawn."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from greenstick.cohorts.pixels import PixelStore
from greenstick.models.settings import ClassifierSettings
from greenstick.training.labels import box_numbers, class_labels


@dataclass(frozen=True, eq=False)
class Rows:
    """Images of the pixel store with what is known of them.

    Attributes
    ----------
    keys
        Of the pixel store, one an image.
    labels
        int64 of shape (n,): 0 or 1, or the class; (n, C): 0 or 1 for each class where any may hold.
    boxes
        One an image: float64 of shape (k, 4), as x, y, width, height in canvas pixels; None
        where it is not known whether and where there are boxes.
    box_classes
        One an image: int64 of shape (k,), the number of each box's class; None: all are 0.
    """

    keys: list[bytes]
    labels: NDArray[np.int64]
    boxes: list[NDArray[np.float64] | None]
    box_classes: list[NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def classes_of_boxes(self, row: int) -> NDArray[np.int64]:
        """Return the numbers of the classes of a row's boxes."""
        if self.box_classes is not None:
            return self.box_classes[row]
        return np.zeros(_count(self.boxes[row]), dtype=np.int64)

    def repeats(self, rare_below: float) -> NDArray[np.float64] | None:
        """Return how often to draw each row so that rare classes of boxes are seen.

        The repeat factor of Gupta et al. (LVIS, CVPR 2019): the root of how many times rarer than
        ``rare_below`` the rarest class on the image is, and at least 1. None: no row is rare.
        """
        if not rare_below or self.box_classes is None:
            return None
        shown = [np.unique(kinds) for kinds in self.box_classes]
        share = np.bincount(np.concatenate(shown)) / len(self)
        factor = np.sqrt(rare_below / np.maximum(share, 1 / len(self))).clip(min=1.0)
        return np.array([factor[kinds].max(initial=1.0) for kinds in shown])

    def copies(self, n: int) -> "Rows":
        """Return these rows n times over, one whole round after the other."""
        times = (n, 1) if self.labels.ndim == 2 else n
        kinds = None if self.box_classes is None else self.box_classes * n
        return Rows(self.keys * n, np.tile(self.labels, times), self.boxes * n, kinds)


class Source(Protocol):
    """Where images come from by their keys: a pixel store, or what stands for one."""

    @property
    def canvas_px(self) -> int:
        """Side of the canvases."""
        ...

    def gather(self, keys: Sequence[bytes]) -> NDArray[Any]:
        """Return the images of some keys, (n, ...)."""
        ...


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a fit sees. Test rows have no place here.

    Attributes
    ----------
    store
        Where the pixels are.
    train, valid
        The rows to learn from, and those to stop by.
    unlabeled
        Rows whose labels are not known, see :mod:`greenstick.training.consistency`; None: none.
    """

    store: Source
    train: Rows
    valid: Rows
    unlabeled: Rows | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch as it leaves the store; augmentation follows on the device.

    Attributes
    ----------
    rows
        int64 (n,): positions in its :class:`Rows`.
    canvases
        uint8 (n, canvas_px, canvas_px).
    labels
        int64 (n,) or (n, C).
    boxes
        float32 (n, k, 4): left, top, right, bottom on the canvas; unused places are zero.
    box_classes
        int64 (n, k): the number of each box's class.
    annotated
        bool (n,): whether the boxes are known.
    """

    rows: Tensor
    canvases: Tensor
    labels: Tensor
    boxes: Tensor
    box_classes: Tensor
    annotated: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(value.to(device, non_blocking=True) for value in self._values()))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory, as DataLoader asks for CUDA."""
        return Batch(*(value.pin_memory() for value in self._values()))

    def _values(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]


def make_rows(
    store: PixelStore,
    table: pl.DataFrame,
    keys: Sequence[bytes],
    settings: ClassifierSettings | None = None,
    *,
    box_classes: tuple[str, ...] = (),
) -> Rows:
    """Join a cohort's rows with their pixels.

    Parameters
    ----------
    store
        Holds every key.
    table
        Rows of a cohort.
    keys
        One a row, as :meth:`PixelStore.add` returned them.
    settings
        Whose classes the labels are of, as by :func:`class_labels`; None: fracture or not.
    box_classes
        The classes of boxes, where several are told apart.

    Raises
    ------
    GreenstickError
        Where a label is unknown, or a row or a box does not fit the classes.
    """
    labels = class_labels(table, settings or ClassifierSettings())
    boxes = [
        _canvas_boxes(store, key, row, label)
        for key, row, label in zip(keys, table["boxes"], table["label"], strict=True)
    ]
    kinds = box_numbers(table, box_classes) if len(box_classes) > 1 else None
    return Rows(list(keys), labels, boxes, kinds)


def unlabeled_rows(keys: Sequence[bytes]) -> Rows:
    """Return rows of which nothing is known but their pixels; their labels are -1."""
    return Rows(list(keys), np.full(len(keys), -1, np.int64), [None] * len(keys))


def _canvas_boxes(
    store: PixelStore, key: bytes, boxes: Any, label: int | None
) -> NDArray[np.float64] | None:
    if boxes is None or (label == 1 and len(boxes) == 0):
        # An image without a fracture has no box, whether anybody looked for one or not. A
        # fracture without a box was not drawn in.
        return np.zeros((0, 4)) if label == 0 else None
    given = sides_of(boxes)
    placement = store.placement(key)
    if not placement.sees_all:
        given = placement.region.cut(given[placement.region.sees(given)])
    if label == 1 and not len(given):
        return None  # its fracture lies elsewhere
    return placement.to_canvas(given)


def sides_of(boxes: Any) -> NDArray[np.float64]:
    """Return a cohort's boxes of one image as (n, 4): x, y, width, height."""
    sides = [[box["x"], box["y"], box["width"], box["height"]] for box in boxes]
    return np.array(sides, dtype=np.float64).reshape(-1, 4)


class RowDataset(Dataset[Batch]):
    """Rows by the batch: one read of the store for all of them."""

    def __init__(self, store: Source, rows: Rows) -> None:
        self.store = store
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Return the batch of these rows."""
        rows = self.rows
        boxes = [rows.boxes[i] for i in indices]
        padded = np.zeros((len(indices), max([1, *map(_count, boxes)]), 4), dtype=np.float32)
        classes = np.zeros(padded.shape[:2], dtype=np.int64)
        for place, kinds, i in zip(padded, classes, indices, strict=True):
            of_image = rows.boxes[i]
            if of_image is not None:
                place[: len(of_image), :2] = of_image[:, :2]
                place[: len(of_image), 2:] = of_image[:, :2] + of_image[:, 2:]
                kinds[: len(of_image)] = rows.classes_of_boxes(i)
        return Batch(
            rows=torch.tensor(indices),
            canvases=torch.from_numpy(self.store.gather([rows.keys[i] for i in indices])),
            labels=torch.from_numpy(rows.labels[indices]),
            boxes=torch.from_numpy(padded),
            box_classes=torch.from_numpy(classes),
            annotated=torch.tensor([of_image is not None for of_image in boxes]),
        )


class EpochSampler(Sampler[list[int]]):
    """Batches of row numbers for one epoch, the same for the same seed and epoch.

    Nothing is remembered from epoch to epoch, so training resumes at any epoch as if it had
    never stopped. Over several processes each takes every world-th image of one common order;
    the order is filled up from its start to a whole number of batches on every process.

    Parameters
    ----------
    labels
        int64 of shape (n,) or (n, C).
    batch_size
        Images a batch and process.
    seed
        Of the order; None keeps the rows' own order (validation).
    positive_share
        Share of label 1 among what is drawn: the rarer side is drawn
        again and again, and an epoch stays as long as the rows are many. 0: rows as they come.
    repeats
        float64 of shape (n,): how often each row is wanted beside the others; None: all the same.
        An epoch stays as long as the rows are many.
    rank, world
        This process, and how many there are.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        batch_size: int,
        *,
        seed: int | None,
        positive_share: float = 0.0,
        repeats: NDArray[np.float64] | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.labels = labels
        self.batch_size = batch_size
        self.seed = seed
        self.positive_share = positive_share
        self.repeats = repeats
        self.rank = rank
        self.world = world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next (Lightning calls this)."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / (self.batch_size * self.world))

    @property
    def sampler(self) -> "EpochSampler":
        """Itself: Lightning looks here for a sampler whose epoch to set."""
        return self

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        if self.seed is not None or self.world > 1:
            # Training batches are all full: a last batch of one would upset batch norm.
            order = np.resize(order, len(self) * self.batch_size * self.world)
        mine = order[self.rank :: self.world]
        for start in range(0, len(mine), self.batch_size):
            yield mine[start : start + self.batch_size].tolist()

    def _order(self) -> NDArray[np.int64]:
        n = len(self.labels)
        if self.seed is None:
            return np.arange(n)
        rng = np.random.default_rng([self.seed, self.epoch])
        rows = np.arange(n)
        if self.repeats is not None:
            rows = rows.repeat((self.repeats + rng.random(n)).astype(np.int64))
        if not self.positive_share:
            return rng.permutation(rows)[:n]
        positives, negatives = (rows[self.labels[rows] == label] for label in (1, 0))
        wanted = max(1, round(n * self.positive_share))
        drawn = np.concatenate(
            [_cycle(positives, wanted, rng), _cycle(negatives, max(1, n - wanted), rng)]
        )
        return rng.permutation(drawn)[:n]


def _cycle(values: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n values, none twice before each came once."""
    rounds = -(-n // len(values))
    return np.concatenate([rng.permutation(values) for _ in range(rounds)])[:n]


def make_loader(
    data: Source, rows: Rows, sampler: EpochSampler, *, workers: int = 0, pin: bool = False
) -> "DataLoader[Batch]":
    """Return a loader of whole batches.

    Workers are processes; on a CPU none is needed, since a batch is a copy out of mapped memory.
    """
    return DataLoader(
        RowDataset(data, rows),
        batch_sampler=sampler,
        collate_fn=_as_it_is,
        num_workers=workers,
        pin_memory=pin,
        persistent_workers=workers > 0,
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def _count(boxes: NDArray[np.float64] | None) -> int:
    return 0 if boxes is None else len(boxes)
