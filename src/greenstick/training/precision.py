"""Which arithmetic is faster on this device: a short trial, not a guess."""

import copy
import time
from dataclasses import dataclass

import torch
from torch import nn

from greenstick.training.cpu import kept_memory, quicken
from greenstick.training.recipe import Recipe

_STEPS = 3
_TRIAL_PX = 256  # a detector that gives a set needs as many cells as it has queries


@dataclass(frozen=True)
class Precision:
    """What was chosen.

    Attributes
    ----------
    name
        "32" or "bf16" (mixed: weights stay in float32).
    images_per_s
        What the trial measured for each; empty where the recipe forced one.
    """

    name: str
    images_per_s: dict[str, float]


def choose_precision(recipe: Recipe, model: nn.Module, device: torch.device) -> Precision:
    """Return the recipe's precision, or for "auto" the faster by a trial on random images.

    The trial works on a copy and leaves the model and the random state as they were.
    """
    if recipe.precision != "auto":
        return Precision(recipe.precision, {})
    size = min(recipe.crop_px or recipe.canvas_px, _TRIAL_PX)
    batch = min(recipe.batch_size, 8)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), kept_memory():
        copies = {name: copy.deepcopy(model).to(device).train() for name in ("32", "bf16")}
        seconds: dict[str, list[float]] = {name: [] for name in copies}
        for _ in range(_STEPS + 1):  # by turns, so that a busy moment does not fall on one
            for name, trial in copies.items():
                seconds[name].append(_step(trial, device, batch, size, name == "bf16"))
    # The first step sets up.
    speeds = {name: batch / min(each[1:]) for name, each in seconds.items()}
    return Precision(max(speeds, key=lambda name: speeds[name]), speeds)


def _step(model: nn.Module, device: torch.device, batch: int, size: int, autocast: bool) -> float:
    """Return the seconds that one step forward and back takes."""
    if device.type == "cpu":
        quicken(model)
    images = torch.rand(batch, 1, size, size, device=device)
    start = time.perf_counter()
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        logits = model(images).logits
    logits.float().square().mean().backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
