"""Mosaic (Bochkovskiy et al., YOLOv4, 2020): four radiographs on one canvas, boxes with them."""

from dataclasses import replace

import torch
from torch import Generator, Tensor
from torch.nn import functional

from greenstick.training.views import View, best_layout

#: The four meet in this middle part of the canvas, in shares of its side.
_MEET = (0.3, 0.7)


def mosaic(view: View, share: float, generator: Generator) -> View:
    """Put three others of the batch beside some of its images.

    Each of the four shows a window of its own, anywhere on it and of any size up to the whole
    width, shrunk to its corner of the canvas. Only images whose boxes are known take part.

    Parameters
    ----------
    view
        Images that are augmented already.
    share
        Chance of an image to become a mosaic.
    generator
        On the CPU.
    """
    n, size = len(view.images), view.images.shape[-1]
    known = torch.nonzero(view.annotated.cpu())[:, 0]
    lucky = torch.rand(n, generator=generator) < share
    images = view.images.clone()
    boxes = view.boxes.new_zeros(n, 4 * view.boxes.shape[1], 4)
    boxes[:, : view.boxes.shape[1]] = view.boxes
    classes = view.box_classes.repeat(1, 4)
    for one in known[lucky[known]].tolist():
        others = known[torch.randint(len(known), (3,), generator=generator)].tolist()
        parts = [one, *others]
        for corner, (number, square) in enumerate(
            zip(parts, _corners(size, generator), strict=True)
        ):
            window = _window(size, square, generator)
            left, top, right, bottom = square
            images[one, :, top:bottom, left:right] = _shown(view.images[number], window, square)
            place = slice(corner * view.boxes.shape[1], (corner + 1) * view.boxes.shape[1])
            boxes[one, place] = _moved(view.boxes[number], window, square)
            classes[one, place] = view.box_classes[number]
    return replace(view, images=best_layout(images), boxes=boxes, box_classes=classes)


#: Left, top, right, bottom in whole pixels.
Square = tuple[int, int, int, int]


def _corners(size: int, generator: Generator) -> list[Square]:
    low, high = (round(size * share) for share in _MEET)
    x, y = torch.randint(low, high + 1, (2,), generator=generator).tolist()
    return [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]


def _window(size: int, square: Square, generator: Generator) -> Square:
    """Return the part of an image that a corner shows, of the corner's proportions."""
    width, height = square[2] - square[0], square[3] - square[1]
    most = size / max(width, height)
    draws = torch.rand(3, generator=generator).tolist()
    factor = 1.0 + draws[0] * (most - 1.0)
    across, down = (min(size, round(side * factor)) for side in (width, height))
    left, top = round(draws[1] * (size - across)), round(draws[2] * (size - down))
    return left, top, left + across, top + down


def _shown(image: Tensor, window: Square, square: Square) -> Tensor:
    left, top, right, bottom = window
    height, width = square[3] - square[1], square[2] - square[0]
    part = image[None, :, top:bottom, left:right]
    return functional.interpolate(
        part, size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )[0]


def _moved(boxes: Tensor, window: Square, square: Square) -> Tensor:
    """Return boxes (k, 4) where they lie in a corner, cut at its edges."""
    start = boxes.new_tensor([*window[:2], *window[:2]])
    corner = boxes.new_tensor([*square[:2], *square[:2]])
    across = (square[2] - square[0]) / (window[2] - window[0])
    down = (square[3] - square[1]) / (window[3] - window[1])
    moved = (boxes - start) * boxes.new_tensor([across, down, across, down]) + corner
    low, high = boxes.new_tensor([*square[:2]] * 2), boxes.new_tensor([*square[2:]] * 2)
    return torch.minimum(torch.maximum(moved, low), high)
