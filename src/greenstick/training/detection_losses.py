"""The loss of a detector: how well boxes fit, and whether their scores say so."""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou, generalized_box_iou_loss

from greenstick.models.cells import STRIDES
from greenstick.models.detector import Detections
from greenstick.models.detector_parts import TrueBatch
from greenstick.training.assignment import assign

#: The box loss counts twice, as in generalized focal loss (Li et al., NeurIPS 2020).
_BOX_WEIGHT = 2.0


def detection_loss(found: Detections, truth: TrueBatch, size_px: int) -> Tensor:
    """Return the loss of a batch.

    A cell's score for the true box's class is to be the overlap of its box with it, and 0 for
    other classes and elsewhere (quality focal loss); the boxes of cells that give a true one are
    to fit it (generalized IoU).

    Parameters
    ----------
    found
        Of N images.
    truth
        The true boxes.
    size_px
        Side of the images.
    """
    centers, strides = _cells(size_px, found.boxes.device)
    targets = torch.zeros_like(found.logits)
    fit = found.boxes.sum() * 0.0
    given = 0
    for image in torch.nonzero(truth.annotated)[:, 0].tolist():
        true, kinds = truth.of_image(image)
        number = assign(centers, strides, true)
        cells = torch.nonzero(number >= 0)[:, 0]
        if not len(cells):
            continue
        mine, wanted = found.boxes[image, cells], true[number[cells]]
        fit = fit + generalized_box_iou_loss(mine, wanted, reduction="sum")
        targets[image, cells, kinds[number[cells]]] = box_iou(mine.detach(), wanted).diagonal()
        given += len(cells)
    scores = _quality(found.logits[truth.annotated], targets[truth.annotated])
    return (scores + _BOX_WEIGHT * fit) / max(1, given)


def _quality(logits: Tensor, targets: Tensor) -> Tensor:
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (each * (targets - torch.sigmoid(logits)).square()).sum()


def _cells(size_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return centers (K, 2) and strides (K,) of the cells, as the networks order them."""
    centers, strides = [], []
    for stride in STRIDES:
        side = (torch.arange(size_px // stride, device=device) + 0.5) * stride
        centers.append(torch.stack([side.repeat(len(side)), side.repeat_interleave(len(side))], 1))
        strides.append(torch.full((len(side) ** 2,), float(stride), device=device))
    return torch.cat(centers), torch.cat(strides)
