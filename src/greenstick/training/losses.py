"""Losses of an image's logits and of its cells' logits."""

import torch
from torch import Tensor
from torch.nn import functional

from greenstick.training.recipe import Recipe


def image_loss(recipe: Recipe, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean loss of a batch.

    Parameters
    ----------
    recipe
        ``loss``, ``label_smoothing`` and ``focal_gamma`` are used. Of images 'cells' is 'bce'.
    logits
        (N, C).
    labels
        int64: (N,) of 0 and 1 for C = 1, (N,) of classes, or (N, C) of 0 and 1. Of classes 'bce'
        and 'focal' score each against the rest.
    weights
        (C,), as by :func:`class_weights`.
    """
    weights = None if weights is None else weights.to(logits.device)
    smoothing = recipe.label_smoothing
    if recipe.loss == "cross-entropy":
        return functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    hard = hot(labels, logits.shape[1])
    soft = hard * (1.0 - smoothing) + smoothing / 2.0
    each = functional.binary_cross_entropy_with_logits(
        logits, soft, pos_weight=weights, reduction="none"
    )
    if recipe.loss == "focal":  # Lin et al., ICCV 2017
        each = each * (hard - torch.sigmoid(logits)).abs().pow(recipe.focal_gamma)
    return each.mean()


def class_weights(recipe: Recipe, labels: Tensor, classes: int) -> Tensor | None:
    """Return weights (classes,) that balance rare classes with common ones; None where unwanted.

    For 'bce' and 'focal' those of a class weigh as much together as all others: negatives over
    positives. For 'cross-entropy' all classes weigh the same together, and the mean weight is
    1. For 'cells' it is the recipe's ``positive_weight``.
    """
    if recipe.loss == "cells":
        return torch.full((classes,), recipe.positive_weight)
    if recipe.class_weights == "none":
        return None
    positives = hot(labels, classes).sum(dim=0).clamp_min(1.0)
    if recipe.loss == "cross-entropy":
        return len(labels) / (classes * positives)
    return (len(labels) - positives) / positives


def hot(labels: Tensor, classes: int) -> Tensor:
    """Return labels as float32 of 0 and 1, (N, classes)."""
    if labels.ndim == 2:
        return labels.float()
    return labels[:, None].float() if classes == 1 else functional.one_hot(labels, classes).float()


def box_loss(maps: Tensor, boxes: Tensor, annotated: Tensor, size_px: int) -> Tensor:
    """Teach cells where boxes are: focal cross-entropy over the cells of annotated images.

    The sum is divided by the number of positive cells, since nearly all cells are negative (Lin
    et al., ICCV 2017).

    Parameters
    ----------
    maps
        (N, 1, h, w): cell logits.
    boxes
        (N, k, 4): left, top, right, bottom in pixels of the image; rows without area are ignored.
    annotated
        bool of shape (N,): images whose boxes are known; the others contribute nothing.
    size_px
        Side of the image.
    """
    targets = cell_targets(boxes, size_px, maps.shape[-2], maps.shape[-1])
    logits = maps[:, 0].float()
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    each = each * (targets - torch.sigmoid(logits)).square().detach()
    positives = targets[annotated].sum().clamp_min(8.0)
    return each[annotated].sum() / positives


def cell_loss(
    maps: Tensor,
    labels: Tensor,
    boxes: Tensor,
    annotated: Tensor,
    *,
    size_px: int,
    positive_weight: float,
) -> Tensor:
    """Return the weighted binary cross-entropy of cells, a mean over the images.

    Of an image with known boxes it is the mean over its cells, positive where they overlap a box;
    of another that of its highest cell, as in multiple-instance learning.

    Parameters
    ----------
    maps
        (N, 1, h, w): cell logits.
    labels
        (N,) of 0 and 1.
    boxes, annotated, size_px
        As of :func:`box_loss`.
    positive_weight
        Of a positive beside a negative.
    """
    logits = maps[:, 0].float()
    weight = logits.new_tensor(positive_weight)
    targets = cell_targets(boxes, size_px, maps.shape[-2], maps.shape[-1])
    cells = functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=weight, reduction="none"
    ).mean(dim=(1, 2))
    highest = functional.binary_cross_entropy_with_logits(
        logits.amax(dim=(1, 2)), labels.float(), pos_weight=weight, reduction="none"
    )
    return torch.where(annotated, cells, highest).mean()


def cell_targets(boxes: Tensor, size_px: int, rows: int, columns: int) -> Tensor:
    """Return 1 for each cell that overlaps a box, float32 of shape (N, rows, columns)."""
    left, top, right, bottom = boxes.unbind(-1)
    has_area = (right > left) & (bottom > top)
    across = _overlap(left, right, size_px, columns)
    down = _overlap(top, bottom, size_px, rows)
    inside = down[..., :, None] & across[..., None, :] & has_area[..., None, None]
    return inside.any(dim=1).float()


def _overlap(low: Tensor, high: Tensor, size_px: int, cells: int) -> Tensor:
    edges = torch.arange(cells + 1, device=low.device) * (size_px / cells)
    return (low[..., None] < edges[1:]) & (high[..., None] > edges[:-1])
