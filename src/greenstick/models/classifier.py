"""The classifier: any timm backbone, and a head that scores every cell of its feature grid."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from timm.data.config import resolve_model_data_config
from torch import Tensor, nn

from greenstick.errors import GreenstickError
from greenstick.models.backbones import (
    create_backbone,
    hold_frozen_norms,
    last_two_stages,
    stage_names,
    to_grid,
)
from greenstick.models.folding import fold_batch_norm
from greenstick.models.heads import LinearHead, PyramidHead
from greenstick.models.patch_residual import PatchResidual
from greenstick.models.settings import ClassifierSettings
from greenstick.models.weights import fetch_from_hub, load_weights, local_file

FROM_SCRATCH = "from scratch"
#: A head of 1,001 classes (0 is background) tells weights that come from TensorFlow's slim
#: library, whose networks see pixels in [-1, 1] whatever timm's config of that name says.
_SLIM_CLASSES = 1001


class Prediction(NamedTuple):
    """What a classifier says of a batch.

    Attributes
    ----------
    logits
        float32 of shape (N, C): one an image and class.
    maps
        float32 of shape (N, C, h, w): one a cell of the feature grid.
    """

    logits: Tensor
    maps: Tensor


class Classifier(nn.Module):
    """Gray images in, logits and cell logits out.

    The gray channel is repeated to the backbone's three and normalized with the backbone's own
    statistics inside, so that an exported network takes plain pixels. A patch residual network
    sees in the three channels how the image departs from intact bone.

    Parameters
    ----------
    settings
        Which network. Weights are not loaded here; see :func:`build_classifier`.
    origin
        Where the weights came from, as a plain sentence.

    Raises
    ------
    GreenstickError
        Where timm does not know the backbone (near names are listed), or it has no spatial
        features.
    """

    mean: Tensor
    std: Tensor
    head: LinearHead | PyramidHead

    def __init__(self, settings: ClassifierSettings, *, origin: str = FROM_SCRATCH) -> None:
        super().__init__()
        self.settings = settings
        self.origin = origin
        self.backbone = create_backbone(
            settings.backbone, drop_path=settings.drop_path, image_px=settings.image_px
        )
        config = resolve_model_data_config(self.backbone)  # type: ignore[no-untyped-call]
        self.register_buffer("mean", _statistic(settings.mean or config["mean"]))
        self.register_buffer("std", _statistic(settings.std or config["std"]))
        self.residual = PatchResidual(settings.restorer) if settings.restorer else None
        self._stages: list[int] = []
        self.head = self._make_head()

    def _make_head(self) -> LinearHead | PyramidHead:
        settings, features = self.settings, int(self.backbone.num_features)
        classes, highest = len(settings.classes), settings.pooling == "highest"
        if settings.head == "linear":
            sharpness = settings.sharpness if settings.pooling == "log-sum-exp" else None
            return LinearHead(
                features, classes, sharpness=sharpness, highest=highest, dropout=settings.dropout
            )
        (middle, middle_channels), (deep, deep_channels) = last_two_stages(self.backbone)
        self._stages = [middle, deep]
        return PyramidHead(
            features if settings.head == "pyramid" else 0,
            (middle_channels, deep_channels),
            classes,
            sharpness=settings.sharpness,
            highest=highest,
            dropout=settings.dropout,
        )

    def forward(self, images: Tensor) -> Prediction:
        """Score a batch: float32 of shape (N, 1, H, W) in [0, 1]."""
        grids = self.features(images)
        # The head stays in float32 under autocast: a logit of 8 has steps of 0.06 in bfloat16.
        with torch.autocast(images.device.type, enabled=False):
            logits, maps = self.head(*grids)
        return Prediction(logits, maps)

    def features(self, images: Tensor) -> list[Tensor]:
        """Return what the head sees of images: float32 grids (N, F, h, w)."""
        shown = images.expand(-1, 3, -1, -1) if self.residual is None else self.residual(images)
        colored = (shown - self.mean) / self.std
        return [grid.float() for grid in self._grids(colored)]

    def _grids(self, colored: Tensor) -> list[Tensor]:
        height, width = colored.shape[-2:]
        if not self._stages:
            last = self.backbone.forward_features(colored)
            return [to_grid(self.backbone, last, height, width)]
        if self.settings.head == "cells":  # spares a last widening that nobody looks at
            stages = self.backbone.forward_intermediates(
                colored, indices=self._stages, intermediates_only=True
            )
            return list(stages)
        last, stages = self.backbone.forward_intermediates(colored, indices=self._stages)
        return [*stages, to_grid(self.backbone, last, height, width)]

    def train(self, mode: bool = True) -> Self:
        """Switch to training; what is frozen keeps its batch-norm statistics."""
        super().train(mode)
        if mode:
            hold_frozen_norms(self.backbone)
        return self

    def freeze(self, stages: int | None = None) -> None:
        """Freeze the backbone's first stages (as timm groups them), and thaw the others.

        Parameters
        ----------
        stages
            How many, the stem being the first; None freezes the whole backbone, 0 nothing.
        """
        if stages is None:
            frozen = {name for name, _ in self.backbone.named_parameters()}
        else:
            frozen = {name for group in stage_names(self.backbone)[:stages] for name in group}
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name not in frozen)
        if self.residual is not None:
            self.residual.mix.requires_grad_(stages is not None)
        self.train(self.training)

    def count_stages(self) -> int:
        """Return how many stages :meth:`freeze` can tell apart."""
        return len(stage_names(self.backbone))

    def fold(self) -> None:
        """Fold the backbone's batch norms into its convolutions; see :mod:`.folding`."""
        fold_batch_norm(self.backbone)


def build_classifier(settings: ClassifierSettings) -> Classifier:
    """Build a classifier with the weights that its settings ask for.

    The head starts small and random (from torch's global generator). The classifier's ``origin``
    says in a plain sentence where its weights came from, and its ``settings`` tell how it was
    built: a network from scratch keeps its batch norms.

    Raises
    ------
    GreenstickError
        Where the backbone is unknown, or the wanted weights cannot be had. ``"auto"`` never
        fails for want of weights.
    """
    classifier = Classifier(settings)
    if settings.weights == "auto":
        _fill_with_what_there_is(classifier)
    elif settings.weights == "hub":
        _fill_from_hub(classifier)
    elif settings.weights != "none":
        _fill_from_file(classifier, Path(settings.weights))
    if settings.batch_norm == "fold":
        if classifier.origin.startswith(FROM_SCRATCH):
            classifier.settings = settings.model_copy(update={"batch_norm": "keep"})
        else:
            classifier.fold()
    return classifier


def empty_classifier(settings: ClassifierSettings, *, origin: str) -> Classifier:
    """Return the network of :func:`build_classifier` for weights that are loaded next."""
    classifier = Classifier(settings, origin=origin)
    if settings.batch_norm == "fold":
        classifier.fold()
    return classifier


def _fill_with_what_there_is(classifier: Classifier) -> None:
    file = local_file(classifier.settings.backbone)
    if file is not None:
        _fill_from_file(classifier, file)
        return
    try:
        _fill_from_hub(classifier)
    except GreenstickError:
        classifier.origin = f"{FROM_SCRATCH}: no pretrained weights could be had"


def _fill_from_hub(classifier: Classifier) -> None:
    fetch_from_hub(classifier.backbone, classifier.settings.backbone)
    classifier.origin = "pretrained weights from timm's hub"


def _fill_from_file(classifier: Classifier, path: Path) -> None:
    loaded = load_weights(classifier.backbone, path)
    origin = f"weights from {path.name} ({loaded.matched} of {loaded.expected} tensors)"
    slim = loaded.head_classes == _SLIM_CLASSES
    if slim and not classifier.settings.mean and not classifier.settings.std:
        classifier.mean.fill_(0.5)
        classifier.std.fill_(0.5)
        origin += ", whose 1,001 classes tell inputs in [-1, 1]"
    classifier.origin = origin


def _statistic(values: tuple[float, ...]) -> Any:
    three = tuple(values) * 3 if len(values) == 1 else tuple(values)
    return torch.tensor(three, dtype=torch.float32).view(1, 3, 1, 1)
