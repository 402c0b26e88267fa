"""The detector: an image in, a box and a score for each class from each cell of its grids out."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from greenstick.errors import GreenstickError
from greenstick.models.backbones import hold_frozen_norms, stage_names
from greenstick.models.cells import STRIDES
from greenstick.models.checkpoint import load_checkpoint
from greenstick.models.classifier import Classifier, build_classifier, empty_classifier
from greenstick.models.detector_backends import backend_of
from greenstick.models.detector_head import PyramidBoxes
from greenstick.models.detector_parts import DetectorParts, LearningHead, TrueBatch
from greenstick.models.detector_settings import DetectorSettings
from greenstick.models.detector_transformers import SetBody, transformers_parts
from greenstick.models.detector_ultralytics import ultralytics_parts
from greenstick.models.look import statistics
from greenstick.models.settings import ClassifierSettings
from greenstick.models.yolox import YoloxBody, YoloxBoxes, load_yolox

YOLOX = "yolox_nano"
#: Boxes of cells that overlap a surer one by more are dropped.
MERGE_IOU = 0.5
#: Who builds the networks of other libraries, which are imported only then.
LIBRARIES = {"ultralytics": ultralytics_parts, "transformers": transformers_parts}


class Detections(NamedTuple):
    """What a detector says of a batch, before overlapping boxes are merged.

    Attributes
    ----------
    boxes
        float32 of shape (N, K, 4): left, top, right, bottom in pixels of the canvas, a box for
        each cell of the grids, the finest first, row by row.
    logits
        float32 of shape (N, K, C), one a class: a sigmoid makes them scores.
    look
        float32 of shape (N, 2 F): how each image looks, by the F channels of its finest grid; see
        :mod:`greenstick.models.look`.
    """

    boxes: Tensor
    logits: Tensor
    look: Tensor


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
        Which network.
    parts
        What it is made of; see :func:`build_detector`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: DetectorSettings, parts: DetectorParts) -> None:
        super().__init__()
        self.settings = settings
        self.origin = parts.origin
        self.register_buffer("mean", parts.mean.view(1, 3, 1, 1).clone())
        self.register_buffer("std", parts.std.view(1, 3, 1, 1).clone())
        self.backbone, self.head = parts.backbone, parts.head

    @property
    def sets(self) -> bool:
        """Whether it gives each box once, instead of one box a cell."""
        backend = backend_of(self.settings.backbone)
        return backend is not None and backend.sets

    @property
    def merge_iou(self) -> float:
        """Boxes that overlap a surer one by more are to be dropped; 1: none is."""
        return 1.0 if self.sets else MERGE_IOU

    def forward(self, images: Tensor) -> Detections:
        """Find boxes in a batch: float32 of shape (N, 1, H, W) in [0, 1], sides in steps of 32."""
        grids = self._grids(images)
        with torch.autocast(images.device.type, enabled=False):
            boxes, logits = self.head(grids)
            return Detections(boxes, logits, statistics(grids[0].flatten(2)))

    def judged(self, images: Tensor, truth: TrueBatch) -> tuple[Detections, Tensor]:
        """Find boxes, and take the loss of a head that brings its own."""
        assert isinstance(self.head, LearningHead)
        grids = self._grids(images)
        with torch.autocast(images.device.type, enabled=False):
            boxes, logits, loss = self.head.judged(grids, truth)
            return Detections(boxes, logits, statistics(grids[0].flatten(2))), loss

    def _grids(self, images: Tensor) -> list[Tensor]:
        colored = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        return [grid.float() for grid in self.backbone(colored)]

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
            parts = _stages_of(self.backbone)[:stages]
            frozen = {
                name for name, _ in self.backbone.named_parameters() if name.startswith(parts)
            }
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name not in frozen)
        self.train(self.training)


def _stages_of(backbone: nn.Module) -> tuple[str, ...]:
    """Return how the names of its parameters begin, stage by stage."""
    if isinstance(backbone, SetBody):
        return backbone.stages
    return tuple(f"{name}." for name, _ in backbone.named_children())


def build_detector(settings: DetectorSettings) -> Detector:
    """Build a detector with the weights that its settings ask for.

    Raises
    ------
    GreenstickError
        Where the backbone is unknown or has no stages of the strides, its library is not
        installed, or weights cannot be had.
    """
    backend = backend_of(settings.backbone)
    if backend is not None:
        parts = LIBRARIES[backend.package](settings.backbone, settings.classes, settings.weights)
        return Detector(settings, parts)
    if settings.backbone == YOLOX:
        detector = Detector(settings, _yolox(settings))
        if settings.weights not in ("auto", "none"):
            detector.origin = load_yolox(detector.backbone, detector.head, Path(settings.weights))
        return detector
    if Path(settings.weights).is_dir():
        return _from_checkpoint(settings, Path(settings.weights))
    classifier = build_classifier(_as_classifier(settings))
    kept = classifier.settings.batch_norm  # a network from scratch keeps its batch norms
    settings = settings.model_copy(update={"batch_norm": kept})
    return Detector(settings, _pyramid(settings, classifier))


def empty_detector(settings: DetectorSettings, *, origin: str) -> Detector:
    """Return the network of :func:`build_detector` for weights that are loaded next."""
    if settings.backbone == YOLOX or backend_of(settings.backbone) is not None:
        detector = build_detector(settings.model_copy(update={"weights": "none"}))
        detector.settings, detector.origin = settings, origin
        return detector
    classifier = empty_classifier(_as_classifier(settings), origin=origin)
    return Detector(settings, _pyramid(settings, classifier))


def _pyramid(settings: DetectorSettings, classifier: Classifier) -> DetectorParts:
    stages = Stages(classifier.backbone)
    classes = len(settings.classes)
    head = PyramidBoxes(stages.channels, settings.width, settings.depth, classes)
    return DetectorParts(stages, head, classifier.mean, classifier.std, classifier.origin)


def _yolox(settings: DetectorSettings) -> DetectorParts:
    return DetectorParts(
        YoloxBody(), YoloxBoxes(len(settings.classes)), torch.zeros(3), torch.full((3,), 1.0 / 255)
    )


def _from_checkpoint(settings: DetectorSettings, folder: Path) -> Detector:
    classifier, card = load_checkpoint(folder)
    if not isinstance(classifier, Classifier) or card.classifier.backbone != settings.backbone:
        raise GreenstickError(
            f"{folder} holds a classifier over {card.backbone}, not over {settings.backbone}.",
            remedy="Name its backbone, or another checkpoint; ensembles cannot be started from.",
        )
    settings = settings.model_copy(update={"batch_norm": card.classifier.batch_norm})
    detector = Detector(settings, _pyramid(settings, classifier))
    detector.origin = f"the classifier {card.name!r} ({card.weights_origin})"
    return detector


def _as_classifier(settings: DetectorSettings) -> ClassifierSettings:
    return ClassifierSettings(
        backbone=settings.backbone, weights=settings.weights, batch_norm=settings.batch_norm
    )
