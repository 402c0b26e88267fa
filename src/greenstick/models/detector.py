"""The detector: an image in, a box and a score for each class from each cell of its grids out."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from greenstick.errors import GreenstickError
from greenstick.models.backbones import hold_frozen_norms, stage_names
from greenstick.models.checkpoint import load_checkpoint
from greenstick.models.classifier import Classifier, build_classifier, empty_classifier
from greenstick.models.detector_head import STRIDES, PyramidBoxes
from greenstick.models.detector_settings import DetectorSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.models.yolox import YoloxBody, YoloxBoxes, load_yolox

YOLOX = "yolox_nano"


class Detections(NamedTuple):
    """What a detector says of a batch, before overlapping boxes are merged.

    Attributes
    ----------
    boxes
        float32 of shape (N, K, 4): left, top, right, bottom in pixels of the canvas, a box for
        each cell of the grids, the finest first, row by row.
    logits
        float32 of shape (N, K, C), one a class: a sigmoid makes them scores.
    """

    boxes: Tensor
    logits: Tensor


class Stages(nn.Module):
    """A timm backbone's grids of strides 8, 16 and 32.

    Raises
    ------
    GreenstickError
        Where it has no such stages.
    """

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        info = getattr(backbone, "feature_info", None)
        stages: list[dict[str, Any]] = list(getattr(info, "info", info) or [])
        at = {int(stage["reduction"]): number for number, stage in enumerate(stages)}
        if not hasattr(backbone, "forward_intermediates") or not set(STRIDES) <= set(at):
            raise GreenstickError(
                "This backbone has no stages of strides 8, 16 and 32.",
                remedy="Take a convolutional backbone, e.g. mobilenetv2_100 or resnet18.",
            )
        self.indices = [at[stride] for stride in STRIDES]
        self.channels = [int(stages[number]["num_chs"]) for number in self.indices]

    def forward(self, colored: Tensor) -> list[Tensor]:
        """Return three grids of (N, 3, H, W)."""
        grids = self.backbone.forward_intermediates(
            colored, indices=self.indices, intermediates_only=True
        )
        return list(grids)


class Detector(nn.Module):
    """Gray images in, boxes and scores out; normalization is inside.

    Parameters
    ----------
    settings
        Which network. Weights are not loaded here; see :func:`build_detector`.
    classifier
        Whose backbone and input statistics it takes; None for a network of its own.
    """

    mean: Tensor
    std: Tensor
    backbone: Stages | YoloxBody
    head: PyramidBoxes | YoloxBoxes

    def __init__(self, settings: DetectorSettings, classifier: Classifier | None) -> None:
        super().__init__()
        self.settings = settings
        if classifier is None:
            self.origin = "from scratch"
            self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
            self.register_buffer("std", torch.full((1, 3, 1, 1), 1.0 / 255.0))
            self.backbone, self.head = YoloxBody(), YoloxBoxes(len(settings.classes))
            return
        self.origin = classifier.origin
        self.register_buffer("mean", classifier.mean.clone())
        self.register_buffer("std", classifier.std.clone())
        self.backbone = Stages(classifier.backbone)
        self.head = PyramidBoxes(
            self.backbone.channels, settings.width, settings.depth, len(settings.classes)
        )

    def forward(self, images: Tensor) -> Detections:
        """Find boxes in a batch: float32 of shape (N, 1, H, W) in [0, 1], sides in steps of 32."""
        colored = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        grids = [grid.float() for grid in self.backbone(colored)]
        with torch.autocast(images.device.type, enabled=False):
            boxes, logits = self.head(grids)
        return Detections(boxes, logits)

    def train(self, mode: bool = True) -> Self:
        """Switch to training; what is frozen keeps its batch-norm statistics."""
        super().train(mode)
        if mode:
            hold_frozen_norms(self.backbone)
        return self

    def freeze(self, stages: int | None = None) -> None:
        """Freeze the backbone's first stages, all of it (None), or nothing (0)."""
        frozen: set[str] = set()
        if stages is None:
            frozen = {name for name, _ in self.backbone.named_parameters()}
        elif isinstance(self.backbone, Stages):
            groups = stage_names(self.backbone.backbone)[:stages]
            frozen = {f"backbone.{name}" for group in groups for name in group}
        else:
            parts = tuple(f"{name}." for name, _ in list(self.backbone.named_children())[:stages])
            frozen = {
                name for name, _ in self.backbone.named_parameters() if name.startswith(parts)
            }
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name not in frozen)
        self.train(self.training)


def build_detector(settings: DetectorSettings) -> Detector:
    """Build a detector with the weights that its settings ask for.

    Raises
    ------
    GreenstickError
        Where the backbone is unknown or has no stages of the strides, or weights cannot be had.
    """
    if settings.backbone == YOLOX:
        detector = Detector(settings, None)
        if settings.weights not in ("auto", "none"):
            detector.origin = load_yolox(detector.backbone, detector.head, Path(settings.weights))
        return detector
    if Path(settings.weights).is_dir():
        return _from_checkpoint(settings, Path(settings.weights))
    classifier = build_classifier(_as_classifier(settings))
    kept = classifier.settings.batch_norm  # a network from scratch keeps its batch norms
    return Detector(settings.model_copy(update={"batch_norm": kept}), classifier)


def empty_detector(settings: DetectorSettings, *, origin: str) -> Detector:
    """Return the network of :func:`build_detector` for weights that are loaded next."""
    if settings.backbone == YOLOX:
        detector = Detector(settings, None)
    else:
        detector = Detector(settings, empty_classifier(_as_classifier(settings), origin=origin))
    detector.origin = origin
    return detector


def _from_checkpoint(settings: DetectorSettings, folder: Path) -> Detector:
    classifier, card = load_checkpoint(folder)
    if not isinstance(classifier, Classifier) or card.classifier.backbone != settings.backbone:
        raise GreenstickError(
            f"{folder} holds a classifier over {card.backbone}, not over {settings.backbone}.",
            remedy="Name its backbone, or another checkpoint; ensembles cannot be started from.",
        )
    detector = Detector(
        settings.model_copy(update={"batch_norm": card.classifier.batch_norm}), classifier
    )
    detector.origin = f"the classifier {card.name!r} ({card.weights_origin})"
    return detector


def _as_classifier(settings: DetectorSettings) -> ClassifierSettings:
    return ClassifierSettings(
        backbone=settings.backbone, weights=settings.weights, batch_norm=settings.batch_norm
    )
