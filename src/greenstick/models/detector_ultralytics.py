"""YOLOv8 (Jocher et al., 2023) by ultralytics, which is AGPL-3.0 and no part of Greenstick.

No other module imports it, and this one only when a network of its is asked for. Its layers and
its loss are taken as they are; images, augmentation, schedule and evaluation are Greenstick's.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.ops import box_convert

from greenstick.errors import GreenstickError
from greenstick.models.cells import STRIDES
from greenstick.models.detector_backends import needed_backend
from greenstick.models.detector_head import cell_centers
from greenstick.models.detector_parts import DetectorParts, TrueBatch

#: It calls home, installs packages and prints unless it is told not to.
_QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
#: Functions of others that it puts its own in the place of.
_REPLACED: tuple[tuple[ModuleType, str], ...] = ((Image, "open"), (torch, "save"))
#: Weights of the three parts of its loss, as in its default.yaml.
_GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)


class UltralyticsBody(nn.Sequential):
    """The backbone and both ways of its pyramid: three grids of strides 8, 16 and 32."""

    def __init__(self, layers: list[nn.Module], outputs: list[int]) -> None:
        super().__init__(*layers)
        self.outputs = outputs

    def forward(self, colored: Tensor) -> list[Tensor]:
        """Return three grids of (N, 3, H, W) from 0 to 1."""
        seen: list[Tensor] = [colored]
        for layer in self:
            wanted: Any = layer.f  # the layers that it takes; -1 is the one before
            if isinstance(wanted, int):
                seen.append(layer(seen[wanted] if wanted < 0 else seen[wanted + 1]))
            else:
                seen.append(layer([seen[one] if one < 0 else seen[one + 1] for one in wanted]))
        return [seen[one + 1] for one in self.outputs]


class UltralyticsBoxes(nn.Module):
    """Its decoupled head, which gives a distribution for each side of a box, and its loss.

    Parameters
    ----------
    detect
        The library's last layer.
    criterion
        The library's class of losses.
    """

    def __init__(self, detect: Any, criterion: Callable[[Any], Any]) -> None:
        super().__init__()
        self.detect = detect
        self.criterion = criterion

    def forward(self, grids: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return boxes (N, K, 4), as corners in pixels, and logits (N, K, C)."""
        return self._decoded(self._raw(grids))

    def judged(self, grids: list[Tensor], truth: TrueBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, logits and the loss of a batch, as :class:`LearningHead` has it."""
        raw = self._raw(grids)
        known = truth.annotated
        if not known.any():
            return *self._decoded(raw), (raw["boxes"].sum() + raw["scores"].sum()) * 0.0
        shown = {
            "boxes": raw["boxes"][known],
            "scores": raw["scores"][known],
            "feats": [grid[known] for grid in grids],
        }
        # It asks a whole model for no more than these.
        whole = SimpleNamespace(parameters=self.parameters, args=_GAINS, model=[self.detect])
        losses, _ = self.criterion(whole).loss(shown, _targets(truth, grids[0]))
        # It is a sum over images; a mean leaves the rate independent of the batch.
        return *self._decoded(raw), losses.sum() / int(known.sum())

    def _raw(self, grids: list[Tensor]) -> Any:
        return self.detect.forward_head(grids, **self.detect.one2many)

    def _decoded(self, raw: Any) -> tuple[Tensor, Tensor]:
        strides = [
            torch.full((grid.shape[2] * grid.shape[3], 1), float(stride), device=grid.device)
            for stride, grid in zip(STRIDES, raw["feats"], strict=True)
        ]
        centers = [
            cell_centers(grid, stride) for stride, grid in zip(STRIDES, raw["feats"], strict=True)
        ]
        sides = self.detect.dfl(raw["boxes"]).transpose(1, 2) * torch.cat(strides)
        middle = torch.cat(centers)
        boxes = torch.cat([middle - sides[..., :2], middle + sides[..., 2:]], dim=2)
        return boxes, raw["scores"].transpose(1, 2)


def _targets(truth: TrueBatch, finest: Tensor) -> dict[str, Tensor]:
    """Return the boxes of annotated images in a row, in shares of the image's sides."""
    height, width = (side * STRIDES[0] for side in finest.shape[-2:])
    images = torch.nonzero(truth.annotated)[:, 0].tolist()
    each = [truth.of_image(image) for image in images]
    boxes = torch.cat([boxes for boxes, _ in each])
    classes = torch.cat([classes for _, classes in each])
    counts = torch.tensor([len(boxes) for boxes, _ in each])
    return {
        "batch_idx": torch.arange(len(each)).repeat_interleave(counts).to(boxes),
        "cls": classes.to(boxes),
        "bboxes": box_convert(boxes, "xyxy", "cxcywh")
        / boxes.new_tensor([width, height, width, height]),
    }


def ultralytics_parts(name: str, classes: tuple[str, ...], weights: str) -> DetectorParts:
    """Return a network from its plan.

    Parameters
    ----------
    name
        ``yolov8n``, ``yolov8s`` or ``yolov8m``.
    classes
        What is found.
    weights
        ``none`` (or ``auto``): random; or a safetensors file of its tensors. Of the head, what
        is shaped by other classes stays random.

    Raises
    ------
    GreenstickError
        Where ultralytics is not installed, or the file is missing, a pickle, or another network's.
    """
    needed_backend(name)
    with _imported():
        from ultralytics.nn.tasks import DetectionModel
        from ultralytics.utils.loss import v8DetectionLoss

        network: Any = DetectionModel(f"{name}.yaml", nc=len(classes), verbose=False)
    origin = "from scratch"
    if weights not in ("auto", "none"):
        origin = _fill(network.model, name, Path(weights))
    *layers, detect = network.model
    return DetectorParts(
        UltralyticsBody(layers, list(detect.f)),
        UltralyticsBoxes(detect, v8DetectionLoss),
        torch.zeros(3),
        torch.ones(3),
        origin,
    )


@torch.no_grad()
def _fill(network: Any, name: str, path: Path) -> str:
    """Take what fits of a file's tensors: everything up to the head must."""
    found = {key.removeprefix("model."): value for key, value in _tensors(path).items()}
    wanted = network.state_dict()
    of_head = f"{len(network) - 1}."
    fitting = [key for key in wanted if key in found and found[key].shape == wanted[key].shape]
    strange = [key for key in wanted if key not in fitting and not key.startswith(of_head)]
    if strange:
        raise GreenstickError(
            f"{path.name} is not {name} (first tensor that does not fit: {strange[0]!r}).",
            remedy="Name the network that these weights were trained for: yolov8n, s or m.",
        )
    network.load_state_dict({key: found[key] for key in fitting}, strict=False)
    return f"{path.name}: {name}, {len(fitting)} of {len(wanted)} tensors"


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise GreenstickError(f"There is no weights file {path}.", remedy="Check the path.")
    if path.suffix != ".safetensors":
        raise GreenstickError(
            f"{path.name} is no safetensors file; ultralytics' own are pickles, which can run "
            "any program.",
            remedy="Write its tensors as safetensors where you trust it (docs/detection.md).",
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise GreenstickError(
            f"{path.name} is damaged, or no safetensors file ({error}).",
            remedy="Write or copy it again.",
        ) from None


@contextmanager
def _imported() -> Iterator[None]:
    """Import within it: the library then sends nothing, and changes nothing of other libraries.

    Its own ``Image.open`` would meet a damaged picture with a package that is not there.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    kept = [(module, name, getattr(module, name)) for module, name in _REPLACED]
    try:
        with np.printoptions():
            yield
    finally:
        torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
        for module, name, function in kept:
            setattr(module, name, function)
