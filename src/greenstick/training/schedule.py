"""The optimizer, the course of its learning rate, and the moving average of weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from greenstick.training.recipe import Recipe

#: A rate never falls quite to nothing, so that a last epoch still tunes batch norm.
_FLOOR = 0.01


def make_optimizer(recipe: Recipe, model: nn.Module) -> AdamW:
    """Return AdamW with four groups: backbone and head, with and without weight decay.

    Biases and the scales of norms are not decayed (He et al., CVPR 2019).
    """
    groups = []
    for name, rate in (("backbone", recipe.lr), ("head", recipe.lr * recipe.head_lr_factor)):
        in_backbone = name == "backbone"
        chosen = [
            parameter
            for path, parameter in model.named_parameters()
            if path.startswith("backbone.") == in_backbone
        ]
        wide = [parameter for parameter in chosen if parameter.ndim > 1]
        narrow = [parameter for parameter in chosen if parameter.ndim <= 1]
        groups.append({"params": wide, "lr": rate, "weight_decay": recipe.weight_decay})
        groups.append({"params": narrow, "lr": rate, "weight_decay": 0.0})
    return AdamW([group for group in groups if group["params"]], fused=True)


def rate_factor(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate at a step, as a share of the highest.

    "one-cycle" rises along a half cosine and falls along another (Smith & Topin, 2018); "cosine"
    rises in a straight line (Loshchilov & Hutter, ICLR 2017); "constant" and "plateau" stay once
    they have risen (:func:`plateau_level` lowers the latter).
    """
    rise = recipe.warm_up * steps
    if step < rise:
        part = (step + 1) / (rise + 1)
        if recipe.schedule == "one-cycle":
            part = (1.0 - math.cos(math.pi * part)) / 2.0
        return _FLOOR + (1.0 - _FLOOR) * part
    if recipe.schedule in ("constant", "plateau"):
        return 1.0
    part = (step - rise) / max(1.0, steps - rise)
    return _FLOOR + (1.0 - _FLOOR) * (1.0 + math.cos(math.pi * min(1.0, part))) / 2.0


def plateau_level(recipe: Recipe, aurocs: Sequence[float]) -> float:
    """Return what the "plateau" schedule multiplies the rate by, after these epochs' AUROCs.

    Each time that ``plateau_patience`` epochs have passed without a better AUROC than all before
    them, or since the rate was last lowered, it falls by ``plateau_factor``.
    """
    level, best, since = 1.0, -math.inf, 0
    for auroc in aurocs:
        best, since = (auroc, 0) if auroc > best else (best, since + 1)
        if since == recipe.plateau_patience:
            level, since = level * recipe.plateau_factor, 0
    return level if recipe.schedule == "plateau" else 1.0


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """Move averaged weights, batch-norm statistics included, towards the model's.

    The decay rises over the first steps, so that the start is forgotten quickly.
    """
    share = 1.0 - min(decay, (1 + step) / (10 + step))
    old, new = _floats(average), _floats(model)
    torch._foreach_lerp_(old, new, share)


def _floats(module: nn.Module) -> list[Tensor]:
    return [value for value in module.state_dict().values() if value.is_floating_point()]
