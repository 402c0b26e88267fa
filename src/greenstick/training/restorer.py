"""Teach a restorer what intact bone looks like, from healthy images alone."""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.findings import Finding, Severity
from greenstick.models.patch_checkpoint import save_restorer
from greenstick.models.patch_critic import PatchCritic
from greenstick.models.patch_guides import blur, fill_smoothly
from greenstick.models.patch_restorer import PASSES, Restoration, Restorer, checkered
from greenstick.models.patch_settings import RestorerSettings
from greenstick.training.healthy import find_healthy_bone
from greenstick.training.kept_state import Part, read_state, write_state
from greenstick.training.restorer_recipe import RestorerRecipe
from greenstick.training.samples import Source

#: Of the critic's and the restorer's Adam; the usual ones of adversarial training.
_BETAS = (0.5, 0.99)
#: Weights of the pixels outside the holes, and of either branch's own picture.
_OUTSIDE, _BRANCHES = 0.1, 0.2
#: Restorations that vary less than this share of what they restore are the same everywhere.
_COLLAPSED = 0.25
_STATE = "state.safetensors"
_CHECKED = 64  # pieces that progress is measured on
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class RestorerFit:
    """What training gives.

    Attributes
    ----------
    restorer
        With averaged weights, in evaluation mode on the CPU.
    history
        One row a check: ``step``, ``loss``, ``critic`` (its loss; null before it takes part), and
        of the averaged restorer on pieces held back: ``error`` (mean absolute error in the
        holes), ``smooth_error`` (of holes filled by a blur of their surroundings) and ``spread``
        (how much restored holes vary, as a share of how much the real ones do).
    findings
        Whether it learned anything, and whether it collapsed.
    """

    restorer: Restorer
    history: pl.DataFrame
    findings: list[Finding]


def fit_restorer(
    source: Source,
    healthy: Sequence[bytes],
    held_back: Sequence[bytes],
    recipe: RestorerRecipe,
    settings: RestorerSettings,
    folder: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    begin: Restorer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RestorerFit:
    """Train a restorer.

    Parameters
    ----------
    source
        Where the images are.
    healthy, held_back
        Keys of images without fractures: to learn from, and to measure progress on.
    recipe, settings
        How, and what.
    folder
        Where at each check the averaged restorer is kept, and a picture written: pieces with
        holes, as restored, whole, and the departure.
    seed
        One seed gives one result on one machine.
    resume
        Go on from the last check of an earlier call with the same arguments that was stopped.
    begin
        A restorer to go on from, of the same settings; the critic begins anew.
    progress
        Called with (done, all) after each step.

    Raises
    ------
    GreenstickError
        Where there are no healthy images that show bone, the restorer to go on from is of other
        settings, or the loss is no longer a number.
    """
    if begin is not None and begin.settings != settings:
        raise GreenstickError(
            "The restorer to go on from has other settings.", remedy="Take its own settings."
        )
    torch.manual_seed(seed)
    bone = find_healthy_bone(source, healthy, recipe.crop_px, settings.scales)
    others = find_healthy_bone(source, held_back, recipe.crop_px, settings.scales)
    fixed = others.draw(_CHECKED, recipe.crop_px, settings.scales, np.random.default_rng(seed + 1))
    pair = _Pair(recipe, settings, begin)
    rows = pair.go_on(folder / _STATE) if resume else []
    for step in range(rows[-1]["step"] + 1 if rows else 1, recipe.steps + 1):
        rng = np.random.default_rng([seed, step])  # nothing is to be remembered
        pieces = bone.draw(recipe.batch, recipe.crop_px, settings.scales, rng)
        losses = pair.step(pieces, _holes(len(pieces), recipe, settings, rng), step)
        if step % recipe.check_every == 0 or step == recipe.steps:
            rows.append({"step": step, **losses, **pair.check(fixed, folder, step)})
            save_restorer(folder, pair.averaged)
            write_state(folder / _STATE, pair.parts, {"history": json.dumps(rows)})
        if progress is not None:
            progress(step, recipe.steps)
    (folder / _STATE).unlink(missing_ok=True)  # six times the size of the weights
    history = pl.DataFrame(rows, schema_overrides={"critic": pl.Float64})
    return RestorerFit(pair.averaged.eval(), history, judge(history))


def judge(history: pl.DataFrame) -> list[Finding]:
    """Say whether a restorer learned more than a blur knows, and whether it collapsed."""
    last = history.row(-1, named=True)
    findings = []
    if last["error"] >= last["smooth_error"]:
        findings.append(
            Finding(
                "restorer-learned",
                Severity.ERROR,
                f"Restored holes are {last['error']:.4f} off, no nearer than a blur of what is "
                f"around them ({last['smooth_error']:.4f}).",
                remedy="Train for more steps, or with a smaller adversarial weight.",
            )
        )
    if last["spread"] < _COLLAPSED:
        findings.append(
            Finding(
                "mode-collapse",
                Severity.ERROR,
                f"Restored holes vary by {last['spread']:.0%} of what real ones do: they are "
                "nearly the same everywhere.",
                remedy="Train with a smaller adversarial weight or learning rate.",
            )
        )
    best = float(np.min(history["error"].to_numpy()))
    if last["error"] > 1.5 * best:
        findings.append(
            Finding(
                "divergence",
                Severity.WARNING,
                f"The error ended at {last['error']:.4f} after it had been {best:.4f}.",
                remedy="Train with a smaller adversarial weight or learning rate.",
            )
        )
    return findings or [
        Finding("restorer-learned", Severity.PASSED, "Holes are restored better than by a blur.")
    ]


class _Pair:
    """The restorer and its critic, each with its optimizer."""

    def __init__(
        self, recipe: RestorerRecipe, settings: RestorerSettings, begin: Restorer | None
    ) -> None:
        self.recipe = recipe
        self.restorer = Restorer(settings)
        if begin is not None:
            self.restorer.load_state_dict(begin.state_dict())
        self.averaged = deepcopy(self.restorer).requires_grad_(False)
        self.critic = PatchCritic(settings.width)
        self._restores = torch.optim.Adam(self.restorer.parameters(), recipe.lr, _BETAS)
        self._judges = torch.optim.Adam(self.critic.parameters(), recipe.lr, _BETAS)
        self._critic_from = (
            recipe.adversarial_from * recipe.steps if recipe.adversarial else recipe.steps
        )

    @property
    def parts(self) -> dict[str, Part]:
        """All that changes while it learns."""
        return {
            "restorer": self.restorer,
            "averaged": self.averaged,
            "critic": self.critic,
            "restores": self._restores,
            "judges": self._judges,
        }

    def go_on(self, path: Path) -> list[dict[str, Any]]:
        """Take up what is kept, if anything; return the history so far."""
        facts = read_state(path, self.parts)
        return [] if facts is None else list(json.loads(facts["history"]))

    def step(self, pieces: Tensor, holes: Tensor, step: int) -> dict[str, float | None]:
        """Learn from a batch; return the losses."""
        self._schedule(step)
        made = self.restorer(pieces, holes)
        whole = torch.where(holes > 0, made.images, pieces)
        loss = restoring_loss(made, pieces, holes)
        criticized = None
        if step > self._critic_from:
            criticized = self._criticize(pieces, whole.detach())
            loss = loss - self.recipe.adversarial * _mean(self.critic(whole))
        self._restores.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if not np.isfinite(value):
            raise GreenstickError(
                f"The restorer's loss is no longer a number (step {step}).",
                remedy="Train with a smaller learning rate or adversarial weight.",
            )
        self._restores.step()
        self._average(step)
        return {"loss": value, "critic": criticized}

    def _schedule(self, step: int) -> None:
        """Let the learning rate fall to a twentieth over the last half."""
        left = min(1.0, 2.0 * (1.0 - (step - 1) / self.recipe.steps))
        for group in chain(self._restores.param_groups, self._judges.param_groups):
            group["lr"] = self.recipe.lr * max(left, 0.05)

    def _criticize(self, real: Tensor, drawn: Tensor) -> float:
        loss = sum(
            (
                functional.relu(1.0 - good).mean() + functional.relu(1.0 + bad).mean()
                for good, bad in zip(self.critic(real), self.critic(drawn), strict=True)
            ),
            torch.zeros(()),
        )
        self._judges.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._judges.step()
        return float(loss.detach())

    @torch.no_grad()
    def _average(self, step: int) -> None:
        decay = min(self.recipe.ema, step / (step + 10.0))  # young averages forget their start
        for mean, new in zip(self.averaged.parameters(), self.restorer.parameters(), strict=True):
            mean.lerp_(new, 1.0 - decay)

    @torch.no_grad()
    def check(self, pieces: Tensor, folder: Path, step: int) -> dict[str, float]:
        """Measure the averaged restorer on pieces held back, and draw some of them."""
        holes = _each_pass(len(pieces), self.recipe.crop_px, self.restorer.settings)
        made = self.averaged(pieces, holes).images
        smooth = fill_smoothly(pieces, holes, self.restorer.settings.patch_px)
        _draw(pieces, holes, made, folder / f"restored-{step:06d}.png")
        real, restored = _hole_means(pieces, holes), _hole_means(made, holes)
        return {
            "error": float(_in_holes((made - pieces).abs(), holes)),
            "smooth_error": float(_in_holes((smooth - pieces).abs(), holes)),
            "spread": float(restored.std() / real.std().clamp_min(1e-6)),
        }


def restoring_loss(made: Restoration, pieces: Tensor, holes: Tensor) -> Tensor:
    """Return the L1 error: in the holes, a little of it outside, and of either branch's picture.

    The structure branch is to give the smooth picture, the texture branch the whole one.
    """
    errors = (made.images - pieces).abs()
    small = functional.avg_pool2d(pieces, 8)
    structure = functional.avg_pool2d(blur(pieces, 2.0), 8)
    return (
        _in_holes(errors, holes)
        + _OUTSIDE * errors.mean()
        + _BRANCHES * (made.structure - structure).abs().mean()
        + _BRANCHES * (made.texture - small).abs().mean()
    )


def _holes(
    n: int, recipe: RestorerRecipe, settings: RestorerSettings, rng: np.random.Generator
) -> Tensor:
    passes = checkered(recipe.crop_px, recipe.crop_px, settings.patch_px)
    return passes[torch.from_numpy(rng.integers(PASSES, size=n))]


def _each_pass(n: int, crop_px: int, settings: RestorerSettings) -> Tensor:
    return checkered(crop_px, crop_px, settings.patch_px)[torch.arange(n) % PASSES]


def _in_holes(values: Tensor, holes: Tensor) -> Tensor:
    return (values * holes).sum() / holes.sum()


def _hole_means(pieces: Tensor, holes: Tensor) -> Tensor:
    """Return the mean of each piece within its holes, (n,)."""
    return (pieces * holes).sum(dim=(1, 2, 3)) / holes.sum(dim=(1, 2, 3))


def _mean(maps: list[Tensor]) -> Tensor:
    return torch.stack([one.mean() for one in maps]).mean()


def _draw(pieces: Tensor, holes: Tensor, made: Tensor, path: Path) -> None:
    """Write a sheet, a row a piece: with holes, as restored, whole, and the departure on gray."""
    whole = torch.where(holes > 0, made, pieces)
    columns = (pieces * (1.0 - holes), whole, pieces, 0.5 + pieces - whole)
    shown: Iterator[Tensor] = (column[:_SHOWN, 0] for column in columns)
    sheet = torch.cat([column.flatten(0, 1) for column in shown], dim=1).clamp(0.0, 1.0)
    picture = Image.fromarray((sheet * 255.0).round().to(torch.uint8).numpy())
    write_whole(path, lambda part: picture.save(part, format="PNG"))
