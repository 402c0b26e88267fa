"""Losses of an image's logits and of its cells' logits."""

import torch
from torch import Tensor
from torch.nn import functional

from greenstick.training.recipe import Recipe


def image_loss(recipe: Recipe, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean loss of a batch.

    Parameters
    ----------
    recipe
        ``loss``, ``label_smoothing`` and ``focal_gamma`` are used.
    logits
        (N, C). For C = 1 the label is 0 or 1; for C > 1 it is a class, of which 'bce', 'focal'
        and 'weighted-bce' score each against the rest.
    labels
        int64 of shape (N,).
    weights
        (C,) for C > 1, else (1,): weight of a positive in 'weighted-bce', as by
        :func:`class_weights`.
    """
    if recipe.loss == "cross-entropy":
        both = logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)
        return functional.cross_entropy(both, labels, label_smoothing=recipe.label_smoothing)
    hard = labels[:, None].float() if logits.shape[1] == 1 else _one_hot(labels, logits.shape[1])
    soft = hard * (1.0 - recipe.label_smoothing) + recipe.label_smoothing / 2.0
    if recipe.loss == "weighted-bce":
        return functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=weights)
    each = functional.binary_cross_entropy_with_logits(logits, soft, reduction="none")
    if recipe.loss == "focal":  # Lin et al., ICCV 2017
        each = each * (hard - torch.sigmoid(logits)).abs().pow(recipe.focal_gamma)
    return each.mean()


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Return negatives over positives, (classes,) or (1,): what balances 'weighted-bce'."""
    counts = torch.bincount(labels, minlength=max(2, classes)).float()
    positives = counts[1:2] if classes == 1 else counts[:classes]
    return (len(labels) - positives) / positives.clamp_min(1.0)


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


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    return functional.one_hot(labels, classes).float()
