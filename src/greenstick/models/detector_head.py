"""A feature pyramid, and a head that gives a box and scores for each of its cells."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from greenstick.models.cells import STRIDES

#: Cells start near 1 %: nearly all show no fracture (Lin et al., ICCV 2017).
_RARE = -4.6
#: A box starts four cells wide.
_START_LOG = 0.69
_GROUPS = 8


class PyramidBoxes(nn.Module):
    """Three grids become one box and a logit for each class a cell.

    A box is the distances from the cell's center to its sides (Tian et al., FCOS, ICCV 2019).
    There is no centerness: the logit learns how well the box fits (Li et al., NeurIPS 2020).
    Convolutions are depthwise separable, the same for all grids, to be quick on a CPU.

    Parameters
    ----------
    channels
        Of the grids, the finest first.
    width
        Channels of the pyramid.
    depth
        Convolutions in the branch for boxes and in that for scores.
    classes
        How many there are.
    """

    def __init__(self, channels: list[int], width: int, depth: int, classes: int = 1) -> None:
        super().__init__()
        self.pyramid = FeaturePyramidNetwork(channels, width)
        for block in range(len(channels)):  # its dense 3 x 3 would take most of the time
            self.pyramid.layer_blocks[block] = _separable(width)
        self.for_boxes = nn.Sequential(*(_separable(width) for _ in range(depth)))
        self.for_scores = nn.Sequential(*(_separable(width) for _ in range(depth)))
        self.sides = nn.Conv2d(width, 4, kernel_size=3, padding=1)
        self.score = nn.Conv2d(width, classes, kernel_size=3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(channels)))
        for layer, bias in ((self.sides, _START_LOG), (self.score, _RARE)):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, bias)

    def forward(self, grids: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return boxes (N, K, 4), as corners in pixels, and logits (N, K, C)."""
        levels = self.pyramid(OrderedDict((str(i), grid) for i, grid in enumerate(grids))).values()
        boxes, logits = [], []
        for stride, scale, level in zip(STRIDES, self.scales, levels, strict=True):
            sides = self.sides(self.for_boxes(level)) * scale
            sides = sides.clamp(max=8.0).exp().flatten(2).transpose(1, 2) * stride
            centers = cell_centers(level, stride)
            boxes.append(torch.cat([centers - sides[..., :2], centers + sides[..., 2:]], dim=2))
            logits.append(self.score(self.for_scores(level)).flatten(2).transpose(1, 2))
        return torch.cat(boxes, dim=1), torch.cat(logits, dim=1)


def cell_centers(grid: Tensor, stride: int) -> Tensor:
    """Return (h w, 2): x and y of each cell's center in pixels, row by row."""
    height, width = grid.shape[-2:]
    x = (torch.arange(width, device=grid.device, dtype=torch.float32) + 0.5) * stride
    y = (torch.arange(height, device=grid.device, dtype=torch.float32) + 0.5) * stride
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel_size=3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, kernel_size=1, bias=False),
        nn.GroupNorm(_GROUPS, width),
        nn.SiLU(inplace=True),
    )
