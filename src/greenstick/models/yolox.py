"""YOLOX-nano (Ge et al., 2021), for weights that were trained on COCO with batch norms folded in.

Written from the graph of the published ONNX file: its convolutions come in the order of this
file's modules. The 80 classes of COCO are dropped.
"""

from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has none
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from greenstick.errors import GreenstickError
from greenstick.models.cells import STRIDES
from greenstick.models.detector_head import cell_centers

_WIDTH = 64
_COCO_CLASSES = 80


class _Conv(nn.Sequential):
    """A convolution with bias, and SiLU."""

    def __init__(
        self, channels: int, features: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
    ) -> None:
        conv = nn.Conv2d(channels, features, kernel, stride, kernel // 2, groups=groups)
        super().__init__(conv, nn.SiLU(inplace=True))


class _Separable(nn.Sequential):
    """A depthwise 3 x 3 and a pointwise convolution."""

    def __init__(self, channels: int, features: int, *, stride: int = 1) -> None:
        depthwise = _Conv(channels, channels, 3, stride=stride, groups=channels)
        super().__init__(depthwise, _Conv(channels, features))


class _Bottleneck(nn.Module):
    def __init__(self, width: int, *, add: bool) -> None:
        super().__init__()
        self.add = add
        self.layers = nn.Sequential(_Conv(width, width), _Separable(width, width))

    def forward(self, grid: Tensor) -> Tensor:
        """Return a grid of the same shape."""
        changed: Tensor = self.layers(grid)
        return grid + changed if self.add else changed


class _CrossStage(nn.Module):
    """Half of the channels go through bottlenecks, half around them (CSP)."""

    def __init__(self, channels: int, features: int, n: int = 1, *, add: bool = False) -> None:
        super().__init__()
        half = features // 2
        self.through, self.around = _Conv(channels, half), _Conv(channels, half)
        self.bottlenecks = nn.Sequential(*(_Bottleneck(half, add=add) for _ in range(n)))
        self.join = _Conv(features, features)

    def forward(self, grid: Tensor) -> Tensor:
        """Return (N, features, h, w) of (N, channels, h, w)."""
        around = self.around(grid)
        joined: Tensor = self.join(torch.cat([self.bottlenecks(self.through(grid)), around], 1))
        return joined


class _Pooled(nn.Module):
    """Maxima of 5, 9 and 13 cells beside the grid itself (SPP)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = _Conv(channels, channels // 2)
        self.join = _Conv(channels * 2, channels)

    def forward(self, grid: Tensor) -> Tensor:
        """Return a grid of the same shape."""
        narrow = self.narrow(grid)
        pools = [functional.max_pool2d(narrow, k, 1, k // 2) for k in (5, 9, 13)]
        joined: Tensor = self.join(torch.cat([narrow, *pools], 1))
        return joined


class YoloxBody(nn.Module):
    """The backbone and both ways of its pyramid: three grids of 64, 128 and 256 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(12, 16, 3)
        self.stage_4 = nn.Sequential(_Separable(16, 32, stride=2), _CrossStage(32, 32, add=True))
        self.stage_8 = nn.Sequential(_Separable(32, 64, stride=2), _CrossStage(64, 64, 3, add=True))
        self.stage_16 = nn.Sequential(
            _Separable(64, 128, stride=2), _CrossStage(128, 128, 3, add=True)
        )
        self.stage_32 = nn.Sequential(
            _Separable(128, 256, stride=2), _Pooled(256), _CrossStage(256, 256)
        )
        self.lateral_32, self.up_16 = _Conv(256, 128), _CrossStage(256, 128)
        self.lateral_16, self.up_8 = _Conv(128, 64), _CrossStage(128, 64)
        self.down_8, self.out_16 = _Separable(64, 64, stride=2), _CrossStage(128, 128)
        self.down_16, self.out_32 = _Separable(128, 128, stride=2), _CrossStage(256, 256)

    def forward(self, colored: Tensor) -> list[Tensor]:
        """Return three grids of (N, 3, H, W) from 0 to 255."""
        quarters = [colored[..., y::2, x::2] for x in (0, 1) for y in (0, 1)]
        fine = self.stage_8(self.stage_4(self.stem(torch.cat(quarters, 1))))
        middle = self.stage_16(fine)
        deep = self.lateral_32(self.stage_32(middle))
        raised = self.lateral_16(self.up_16(torch.cat([_twice(deep), middle], 1)))
        finest = self.up_8(torch.cat([_twice(raised), fine], 1))
        second = self.out_16(torch.cat([self.down_8(finest), raised], 1))
        return [finest, second, self.out_32(torch.cat([self.down_16(second), deep], 1))]


def _twice(grid: Tensor) -> Tensor:
    return functional.interpolate(grid, scale_factor=2.0)


class _Level(nn.Module):
    """The head on one grid."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = _Conv(channels, _WIDTH)
        self.for_class = nn.Sequential(_Separable(_WIDTH, _WIDTH), _Separable(_WIDTH, _WIDTH))
        self.fracture = nn.Conv2d(_WIDTH, classes, 1)  # in the place of COCO's classes
        self.for_box = nn.Sequential(_Separable(_WIDTH, _WIDTH), _Separable(_WIDTH, _WIDTH))
        self.box = nn.Conv2d(_WIDTH, 4, 1)
        self.object = nn.Conv2d(_WIDTH, 1, 1)
        nn.init.zeros_(self.fracture.weight)
        assert self.fracture.bias is not None
        nn.init.zeros_(self.fracture.bias)

    def forward(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, 4, h, w) raw boxes and (N, C, h, w) logits: an object, and of this class."""
        stem = self.stem(grid)
        fracture, own = self.fracture(self.for_class(stem)), self.for_box(stem)
        return self.box(own), self.object(own) + fracture


class YoloxBoxes(nn.Module):
    """YOLOX's decoupled head: one box and a logit for each class a cell."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_Level(channels, classes) for channels in (64, 128, 256))

    def forward(self, grids: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return boxes (N, K, 4), as corners in pixels, and logits (N, K, C)."""
        boxes, logits = [], []
        for stride, level, grid in zip(STRIDES, self.levels, grids, strict=True):
            raw, logit = level(grid)
            raw = raw.flatten(2).transpose(1, 2)
            # YOLOX counts from a cell's corner, not from its center.
            middle = raw[..., :2] * stride + cell_centers(grid, stride) - stride / 2
            half = raw[..., 2:].clamp(max=8.0).exp() * (stride / 2)
            boxes.append(torch.cat([middle - half, middle + half], dim=2))
            logits.append(logit.flatten(2).transpose(1, 2))
        return torch.cat(boxes, dim=1), torch.cat(logits, dim=1)


@torch.no_grad()
def load_yolox(body: nn.Module, head: nn.Module, path: Path) -> str:
    """Fill a network from the published ONNX file, and return where the weights come from.

    Raises
    ------
    GreenstickError
        Where the file is missing, or is no YOLOX-nano of COCO.
    """
    if not path.is_file():
        raise GreenstickError(f"There is no weights file {path}.", remedy="Check the path.")
    layers = [m for part in (body, head) for m in part.modules() if isinstance(m, nn.Conv2d)]
    own = [level.fracture for level in head.modules() if isinstance(level, _Level)]
    found = _convolutions(path)
    if len(found) != len(layers):
        raise _stranger(path)
    for layer, (weight, bias) in zip(layers, found, strict=True):
        assert layer.bias is not None
        if len(weight) == _COCO_CLASSES and any(layer is mine for mine in own):
            continue
        if weight.shape != layer.weight.shape:
            raise _stranger(path)
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return f"{path.name}: YOLOX-nano trained on COCO, without its classes"


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    try:
        graph = onnx.load(str(path)).graph
    except (DecodeError, OSError):
        raise _stranger(path) from None
    values = {one.name: one for one in graph.initializer}
    return [
        (_tensor(values[node.input[1]]), _tensor(values[node.input[2]]))
        for node in graph.node
        if node.op_type == "Conv" and len(node.input) == 3
    ]


def _tensor(value: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(value).copy())


def _stranger(path: Path) -> GreenstickError:
    return GreenstickError(
        f"{path.name} is no YOLOX-nano trained on COCO, as ONNX.",
        remedy="Take yolox_nano.onnx of YOLOX's own releases, or another backbone.",
    )
