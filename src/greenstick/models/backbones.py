"""Any timm backbone, brought to one shape: images in, feature grids out."""

import difflib
from typing import Any

import timm
from torch import Tensor, nn

from greenstick.errors import GreenstickError


def create_backbone(name: str, *, drop_path: float = 0.0, image_px: int = 0) -> Any:
    """Create a timm backbone without a classifier, with random weights.

    Parameters
    ----------
    name
        As timm knows it.
    drop_path
        Rate of stochastic depth.
    image_px
        Side of the images for backbones of fixed size; 0: any size, or the backbone's own.

    Raises
    ------
    GreenstickError
        Where timm does not know the name (near ones are listed), or the backbone does not take
        the settings.
    """
    _check_name(name)
    options: dict[str, Any] = {"num_classes": 0, "global_pool": ""}
    if drop_path:
        options["drop_path_rate"] = drop_path
    if image_px:
        options["img_size"] = image_px
    # Plain vision transformers take any size when asked to; others do not know the words.
    sized: dict[str, Any] = {"dynamic_img_size": True, "dynamic_img_pad": True}
    try:
        return timm.create_model(name, **options, **sized)
    except TypeError:
        pass
    try:
        return timm.create_model(name, **options)
    except TypeError as error:
        raise GreenstickError(
            f"Backbone {name!r} does not take these settings ({error}).",
            remedy="Leave model.drop_path and model.image_px at 0.",
        ) from None


def _check_name(name: str) -> None:
    architecture = name.partition(".")[0]  # "resnet50.a1_in1k" names a set of weights too
    if timm.is_model(architecture):
        return
    near = difflib.get_close_matches(architecture, timm.list_models(), n=5, cutoff=0.5)
    raise GreenstickError(
        f"There is no backbone {name!r} in timm.",
        remedy=f"Did you mean {', '.join(near)}?" if near else "See timm.list_models().",
    )


def to_grid(backbone: Any, features: Tensor, height: int, width: int) -> Tensor:
    """Bring the last features, whatever their layout, to (N, F, h, w).

    Parameters
    ----------
    backbone
        That made them.
    features
        (N, F, h, w), (N, h, w, F), or tokens (N, L, F).
    height, width
        Of the images.

    Raises
    ------
    GreenstickError
        Where they are no spatial grid.
    """
    wanted = backbone.num_features
    if features.ndim == 4 and features.shape[1] == wanted:
        return features
    if features.ndim == 4 and features.shape[3] == wanted:
        return features.permute(0, 3, 1, 2)
    if features.ndim == 3 and hasattr(backbone, "patch_embed"):
        rows, columns = backbone.patch_embed.dynamic_feat_size((height, width))
        tokens = features[:, getattr(backbone, "num_prefix_tokens", 0) :]
        if tokens.shape[1] == rows * columns:
            return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, rows, columns)
    raise GreenstickError(
        f"This backbone's features, of shape {tuple(features.shape)}, are no spatial grid.",
        remedy="Take a convolutional backbone or a plain vision transformer.",
    )


def last_two_stages(backbone: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (index, channels) of the last stage but one and of the last.

    Raises
    ------
    GreenstickError
        Where timm cannot give a backbone's stages.
    """
    stages = _stages(backbone)
    if len(stages) < 2:
        raise GreenstickError(
            "This backbone does not give the stages that a pyramid head needs.",
            remedy="Set model.head to 'linear', or take another backbone.",
        )
    last = len(stages) - 1
    return (last - 1, int(stages[-2]["num_chs"])), (last, int(stages[-1]["num_chs"]))


def stages_of_strides(backbone: Any, strides: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return (index, channels) of the stages whose cells have these sides (px).

    Raises
    ------
    GreenstickError
        Where one is missing.
    """
    found = {stage["reduction"]: (at, stage) for at, stage in enumerate(_stages(backbone))}
    if missing := [stride for stride in strides if stride not in found]:
        raise GreenstickError(
            f"This backbone gives no stage whose cells have a side of {missing[0]} px.",
            remedy="Take a convolutional backbone, such as mobilenetv2_100.",
        )
    return [(found[stride][0], int(found[stride][1]["num_chs"])) for stride in strides]


def _stages(backbone: Any) -> list[dict[str, Any]]:
    """Return what timm tells of a backbone's stages; none where it cannot give them."""
    if not hasattr(backbone, "forward_intermediates"):
        return []
    info = getattr(backbone, "feature_info", None)
    return list(getattr(info, "info", info) or [])


def stage_names(backbone: Any) -> list[list[str]]:
    """Return the names of the parameters of each stage, as timm groups them, the stem first."""
    groups: dict[int, list[str]] = timm.models.group_parameters(
        backbone, backbone.group_matcher(coarse=True)
    )
    return [groups[key] for key in sorted(groups)]


def hold_frozen_norms(module: nn.Module) -> None:
    """Put batch norms whose parameters are all frozen into evaluation mode."""
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and not any(
            parameter.requires_grad for parameter in norm.parameters()
        ):
            norm.eval()
