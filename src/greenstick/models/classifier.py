"""The classifier: any timm backbone, and a linear head over its last feature stage.

The head scores every cell of the last feature grid, and the image's score is pooled from its
cells. For average pooling this is the usual pooled linear head, written the other way round
(Zhou et al., CVPR 2016), so that the class activation map costs nothing.
"""

import difflib
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, cast

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field
from timm.data.config import resolve_model_data_config
from torch import Tensor, nn

from greenstick.errors import GreenstickError
from greenstick.models.weights import fetch_from_hub, load_weights, local_file

#: A head of 1,001 classes (0 is background) tells weights that come from TensorFlow's slim
#: library, whose networks see pixels in [-1, 1] whatever timm's config of that name says.
_SLIM_CLASSES = 1001


class ClassifierSettings(BaseModel):
    """Which network, and where its weights come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field(
        default="mobilenetv2_100", description="any timm model with spatial features"
    )
    classes: tuple[str, ...] = Field(
        default=("fracture",),
        min_length=1,
        description="one name: one logit (sigmoid); several: one each (softmax)",
    )
    weights: str = Field(
        default="auto",
        description="auto (a file in $GREENSTICK_WEIGHTS, else the hub, else none), hub, none, "
        "or the path of a .safetensors or .pth file",
    )
    pooling: Literal["average", "log-sum-exp"] = Field(
        default="average", description="how cell logits become the image's logit"
    )
    sharpness: float = Field(
        default=5.0,
        gt=0.0,
        description="of log-sum-exp pooling: near 0 the mean, large the maximum",
    )
    mean: tuple[float, ...] = Field(
        default=(), max_length=3, description="input mean in [0, 1]; empty: the weights' own"
    )
    std: tuple[float, ...] = Field(
        default=(), max_length=3, description="input standard deviation; empty: the weights' own"
    )
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="share of features dropped at the head"
    )
    drop_path: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="stochastic depth of the backbone"
    )
    image_px: int = Field(
        default=0,
        ge=0,
        description="canvas side for backbones of fixed size (Swin, MaxViT); 0: any size",
    )


class Prediction(NamedTuple):
    """What a classifier says of a batch.

    Attributes
    ----------
    logits
        float32 of shape (N, C): one an image and class.
    maps
        float32 of shape (N, C, h, w): one a cell of the last feature grid.
    """

    logits: Tensor
    maps: Tensor


class Classifier(nn.Module):
    """Gray images in, logits and cell logits out.

    The gray channel is repeated to the backbone's three and normalized with the backbone's own
    statistics inside, so that an exported network takes plain pixels.

    Parameters
    ----------
    settings
        Which network. ``settings.weights`` is not looked at here; see :func:`build_classifier`.
    origin
        Where the weights came from, as a plain sentence.

    Raises
    ------
    GreenstickError
        Where timm does not know the backbone (near names are listed) or it has no spatial
        features.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: ClassifierSettings, *, origin: str = "from scratch") -> None:
        super().__init__()
        self.settings = settings
        self.origin = origin
        self.backbone = _create_backbone(settings)
        config = resolve_model_data_config(self.backbone)  # type: ignore[no-untyped-call]
        self.register_buffer("mean", _statistic(settings.mean or config["mean"]))
        self.register_buffer("std", _statistic(settings.std or config["std"]))
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Conv2d(self.backbone.num_features, len(settings.classes), kernel_size=1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(cast(Tensor, self.head.bias), 0.0)

    def forward(self, images: Tensor) -> Prediction:
        """Score a batch: float32 of shape (N, 1, H, W) in [0, 1]."""
        # The head stays in float32 under autocast: a logit of 8 has steps of 0.06 in bfloat16.
        features = self.features(images).float()
        with torch.autocast(features.device.type, enabled=False):
            maps = self.head(self.dropout(features))
            return Prediction(self.pool(maps), maps)

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature stage, of shape (N, F, h, w)."""
        colored = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        features = self.backbone.forward_features(colored)
        return _to_grid(self.backbone, features, images.shape[-2], images.shape[-1])

    def pool(self, maps: Tensor) -> Tensor:
        """Pool cell logits of shape (N, C, h, w) to image logits of shape (N, C).

        "log-sum-exp" is 1/r log(mean(exp(r z))) of sharpness r (Pinheiro & Collobert, 2015).
        """
        if self.settings.pooling == "average":
            return maps.mean(dim=(2, 3))
        r = self.settings.sharpness
        cells = maps.shape[-2] * maps.shape[-1]
        return (torch.logsumexp(r * maps.flatten(2), dim=2) - math.log(cells)) / r

    def train(self, mode: bool = True) -> Self:
        """Switch to training; what is frozen keeps its batch-norm statistics."""
        super().train(mode)
        if mode:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and _is_frozen(module):
                    module.eval()
        return self

    def freeze(self, stages: int | None = None) -> None:
        """Freeze the backbone's first stages (as timm groups them), and thaw the others.

        Parameters
        ----------
        stages
            How many, the stem being the first; None freezes the whole backbone, 0 nothing.
        """
        frozen = set(_stage_parameters(self.backbone, stages))
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name not in frozen)
        self.train(self.training)

    def count_stages(self) -> int:
        """Return how many stages :meth:`freeze` can tell apart."""
        return len(_stages(self.backbone))


def build_classifier(settings: ClassifierSettings) -> Classifier:
    """Build a classifier with the weights that its settings ask for.

    The head starts small and random (from torch's global generator). The classifier's ``origin``
    says in a plain sentence where its weights came from, and its ``settings`` hold the input
    statistics that were settled on.

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
        fetch_from_hub(classifier.backbone, settings.backbone)
        classifier.origin = "pretrained weights from timm's hub"
    elif settings.weights != "none":
        _fill_from_file(classifier, Path(settings.weights))
    return classifier


def _fill_with_what_there_is(classifier: Classifier) -> None:
    name = classifier.settings.backbone
    file = local_file(name)
    if file is not None:
        _fill_from_file(classifier, file)
        return
    try:
        fetch_from_hub(classifier.backbone, name)
        classifier.origin = "pretrained weights from timm's hub"
    except GreenstickError:
        classifier.origin = "from scratch: no pretrained weights could be had"


def _fill_from_file(classifier: Classifier, path: Path) -> None:
    loaded = load_weights(classifier.backbone, path)
    origin = f"weights from {path.name} ({loaded.matched} of {loaded.expected} tensors)"
    slim = loaded.head_classes == _SLIM_CLASSES
    if slim and not classifier.settings.mean and not classifier.settings.std:
        classifier.mean.fill_(0.5)
        classifier.std.fill_(0.5)
        origin += ", whose 1,001 classes tell inputs in [-1, 1]"
    classifier.origin = origin


def _create_backbone(settings: ClassifierSettings) -> Any:
    options: dict[str, Any] = {"num_classes": 0, "global_pool": ""}
    if settings.drop_path:
        options["drop_path_rate"] = settings.drop_path
    if settings.image_px:
        options["img_size"] = settings.image_px
    _check_name(settings.backbone)
    try:
        # Plain vision transformers take any size when asked to; others do not know the options.
        sized: dict[str, Any] = {"dynamic_img_size": True, "dynamic_img_pad": True}
        return timm.create_model(settings.backbone, **options, **sized)
    except TypeError:
        pass
    try:
        return timm.create_model(settings.backbone, **options)
    except TypeError as error:
        raise GreenstickError(
            f"Backbone {settings.backbone!r} does not take these settings ({error}).",
            remedy="Leave drop_path and image_px at 0.",
        ) from None


def _check_name(name: str) -> None:
    # "resnet50.a1_in1k" names the weights too.
    architecture = name.partition(".")[0]
    if timm.is_model(architecture):
        return
    near = difflib.get_close_matches(architecture, timm.list_models(), n=5, cutoff=0.5)
    raise GreenstickError(
        f"There is no backbone {name!r} in timm.",
        remedy=f"Did you mean {', '.join(near)}?" if near else "See timm.list_models().",
    )


def _to_grid(backbone: Any, features: Tensor, height: int, width: int) -> Tensor:
    """Bring a backbone's features, whatever their layout, to (N, F, h, w)."""
    wanted = backbone.num_features
    if features.ndim == 4 and features.shape[1] == wanted:
        return features
    if features.ndim == 4 and features.shape[3] == wanted:
        return features.permute(0, 3, 1, 2)
    if features.ndim == 3 and hasattr(backbone, "patch_embed"):
        rows, columns = backbone.patch_embed.dynamic_feat_size((height, width))
        tokens = features[:, getattr(backbone, "num_prefix_tokens", 0) :]
        if tokens.shape[1] == rows * columns:
            return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)
    raise GreenstickError(
        f"This backbone's features, of shape {tuple(features.shape)}, are no spatial grid.",
        remedy="Take a convolutional backbone or a plain vision transformer.",
    )


def _statistic(values: tuple[float, ...]) -> Tensor:
    three = tuple(values) * 3 if len(values) == 1 else tuple(values)
    return torch.tensor(three, dtype=torch.float32).view(1, 3, 1, 1)


def _is_frozen(module: nn.Module) -> bool:
    return not any(parameter.requires_grad for parameter in module.parameters())


def _stages(backbone: Any) -> list[list[str]]:
    groups = timm.models.group_parameters(backbone, backbone.group_matcher(coarse=True))
    return [groups[key] for key in sorted(groups)]


def _stage_parameters(backbone: Any, stages: int | None) -> list[str]:
    if stages == 0:
        return []
    if stages is None:
        return [name for name, _ in backbone.named_parameters()]
    return [name for group in _stages(backbone)[:stages] for name in group]
