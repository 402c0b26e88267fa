"""Where crops are taken from the canvas, and what they then show."""

import torch
from torch import Generator, Tensor

from greenstick.training.recipe import Recipe


def choose_centers(boxes: Tensor, recipe: Recipe, generator: Generator) -> Tensor | None:
    """Return where each crop's center lies, float32 of shape (n, 2), as x, y in canvas pixels.

    A share ``crop_on_fracture`` of the images with boxes has one of its boxes within the crop;
    the others are cropped anywhere. None where the recipe does not crop.

    Parameters
    ----------
    boxes
        (n, k, 4): left, top, right, bottom on the canvas; rows without area are ignored.
    """
    if not recipe.crop_px:
        return None
    boxes, canvas_px = boxes.cpu(), recipe.canvas_px
    n = len(boxes)
    margin = recipe.crop_px / 2.0
    anywhere = margin + torch.rand(n, 2, generator=generator) * (canvas_px - 2.0 * margin)
    has_area = ((boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])).float()
    # A row without boxes gets a box that is not used: multinomial wants something to draw.
    weights = torch.where(has_area.sum(1, keepdim=True) > 0, has_area, torch.ones_like(has_area))
    chosen = torch.multinomial(weights, 1, generator=generator)[:, 0]
    box = boxes[torch.arange(n), chosen]
    middle = (box[:, :2] + box[:, 2:]) / 2.0
    near = middle + (torch.rand(n, 2, generator=generator) - 0.5) * 0.6 * recipe.crop_px
    near = near.clamp(margin, canvas_px - margin)
    on_box = (torch.rand(n, generator=generator) < recipe.crop_on_fracture) & (has_area.sum(1) > 0)
    return torch.where(on_box[:, None], near, anywhere)


def visible_labels(labels: Tensor, boxes: Tensor, annotated: Tensor) -> Tensor:
    """Return the labels of crops: a fracture whose boxes are all out of sight is none.

    A fracture without boxes keeps its label.

    Parameters
    ----------
    labels
        int64 of shape (n,).
    boxes
        (n, k, 4) on the crop, cut at its edges.
    annotated
        bool of shape (n,).
    """
    seen = ((boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])).any(dim=1)
    return torch.where(annotated & ~seen, torch.zeros_like(labels), labels)
