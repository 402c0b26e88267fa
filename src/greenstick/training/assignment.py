"""Which cells are to give which true box: ATSS (Zhang et al., CVPR 2020)."""

import torch
from torch import Tensor
from torchvision.ops import box_iou

#: Cells of each grid, nearest to a box's middle, that may give it.
_NEAREST = 9
#: Side of the square that stands for a cell, in strides.
_SIDE = 4.0


def assign(centers: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """Return the number of the box that each cell is to give, int64 (K,); -1 for none.

    For each box the nearest cells of each grid are candidates. Those whose square overlaps it by
    more than the candidates' mean and standard deviation, and whose center lies inside, give it;
    a box so small that none does is given by the cell nearest to its middle.

    Parameters
    ----------
    centers
        (K, 2): x and y of the cells.
    strides
        (K,): of each cell's grid.
    boxes
        (G, 4): left, top, right, bottom, with area.
    """
    chosen = torch.full((len(centers),), -1, dtype=torch.int64, device=centers.device)
    if not len(boxes):
        return chosen
    half = strides[:, None] * (_SIDE / 2)
    overlap = box_iou(boxes, torch.cat([centers - half, centers + half], dim=1))
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = torch.cdist(middles, centers)
    near = _nearest(distance, strides)
    values = overlap.gather(1, near)
    enough = values >= values.mean(1, keepdim=True) + values.std(1, keepdim=True)
    fits = enough & _inside(centers[near], boxes[:, None])
    lost = ~fits.any(1)
    fits[lost] = near[lost] == distance[lost].argmin(1, keepdim=True)
    # A cell that several boxes want gives the one that its square overlaps most.
    wanted = torch.full_like(overlap, -1.0)
    wanted.scatter_(1, near, torch.where(fits, values, -1.0))
    best, number = wanted.max(0)
    return torch.where(best >= 0, number, chosen)


def _nearest(distance: Tensor, strides: Tensor) -> Tensor:
    """Return (G, c) cells: of each grid those nearest to each box's middle."""
    found = []
    for stride in sorted(set(strides.tolist())):
        cells = torch.nonzero(strides == stride)[:, 0]
        count = min(_NEAREST, len(cells))
        near = distance[:, cells].topk(count, dim=1, largest=False).indices
        found.append(cells[near])
    return torch.cat(found, dim=1)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    return ((points > boxes[..., :2]) & (points < boxes[..., 2:])).all(-1)
