"""What a training image looks like in a step: drawn anew each time, or one of its fixed copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from greenstick.training.augment import Drawn, apply, draw, join, move_boxes
from greenstick.training.crops import choose_centers, visible_labels
from greenstick.training.recipe import NO_AUGMENTATION, Augmentation, Recipe
from greenstick.training.samples import Batch


@dataclass(frozen=True, eq=False)
class View:
    """A batch as the network sees it.

    Attributes
    ----------
    images
        float32 (n, 1, S, S) in [0, 1].
    boxes
        float32 (n, k, 4) on the images, cut at their edges.
    box_classes
        int64 (n, k): the number of each box's class.
    annotated
        bool (n,): whether the boxes are known.
    labels
        int64 (n,) or (n, C).
    """

    images: Tensor
    boxes: Tensor
    box_classes: Tensor
    annotated: Tensor
    labels: Tensor


def look(drawn: Drawn, batch: Batch, recipe: Recipe, *, small: bool) -> View:
    """Apply what was drawn; a fracture that a crop leaves out of sight is no longer one.

    Parameters
    ----------
    small
        Whether the images are of ``start_px``, which shows the whole canvas.
    """
    boxes = move_boxes(drawn, batch.boxes)
    labels = batch.labels
    if recipe.crop_px and not small:
        labels = visible_labels(labels, boxes, batch.annotated)
    images = best_layout(apply(drawn, batch.canvases))
    return View(images, boxes, batch.box_classes, batch.annotated, labels)


def best_layout(images: Tensor) -> Tensor:
    """Return images (n, 1, S, S) in the layout in which networks are quick."""
    # One channel counts as both layouts; the network's weights decide (see fit.py).
    return images.contiguous(memory_format=torch.channels_last)


def draw_anew(recipe: Recipe, boxes: Tensor, generator: Generator, *, small: bool) -> Drawn:
    """Draw how n images look, given their boxes (n, k, 4) on the canvas."""
    return _draw(recipe, recipe.augmentation, boxes, generator, small=small)


def draw_copies(
    recipe: Recipe, boxes: Tensor, rows: Sequence[int], images: int, *, seed: int, small: bool
) -> Drawn:
    """Draw how fixed copies look: each always the same, by its row and the seed.

    Parameters
    ----------
    boxes
        (n, k, 4) on the canvas.
    rows
        Of the copies, as :meth:`Rows.copies` numbers them.
    images
        How many images there are: the first so many rows are these as they are.
    """
    each = []
    for position, row in enumerate(rows):
        generator = Generator().manual_seed(_seed_of(seed, row))
        kind = NO_AUGMENTATION if row < images else recipe.augmentation
        each.append(_draw(recipe, kind, boxes[position : position + 1], generator, small=small))
    return join(each)


def _draw(
    recipe: Recipe, kind: Augmentation, boxes: Tensor, generator: Generator, *, small: bool
) -> Drawn:
    canvas_px = recipe.canvas_px
    output_px = recipe.start_px if small else recipe.crop_px or canvas_px
    return draw(
        kind,
        len(boxes),
        canvas_px=canvas_px,
        output_px=output_px,
        generator=generator,
        centers=None if small else choose_centers(boxes, recipe, generator),
        step=canvas_px / output_px if small else 1.0,
    )


def _seed_of(seed: int, row: int) -> int:
    sequence = np.random.SeedSequence([seed, row])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
