"""Fit a classifier: from rows and a recipe to the kept epoch's weights."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from greenstick.errors import GreenstickError
from greenstick.models.classifier import Classifier, build_classifier
from greenstick.models.patch_restorer import Restorer
from greenstick.models.settings import ClassifierSettings
from greenstick.training.checks import check
from greenstick.training.cpu import kept_memory
from greenstick.training.facts import Facts, digest_of, fingerprint, identify
from greenstick.training.frozen_features import (
    HeadLearner,
    head_learner,
    join_head,
    keeps_features,
)
from greenstick.training.keeper import BEST, HISTORY, TrainingProgress
from greenstick.training.learner import Learner
from greenstick.training.loop import train
from greenstick.training.losses import class_weights
from greenstick.training.recipe import Recipe
from greenstick.training.samples import TrainingData

__all__ = ["FitResult", "fingerprint", "fit"]


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a fit gives.

    Attributes
    ----------
    model
        With the weights of the kept epoch (the average's, where the recipe averages), in
        evaluation mode on the CPU.
    history
        One row an epoch; columns as in :data:`greenstick.training.keeper.HISTORY_SCHEMA`.
    kept_epoch
        0-based: the best, or the last, as the recipe says.
    precision
        "32" or "bf16".
    """

    model: Classifier
    history: pl.DataFrame
    kept_epoch: int
    precision: str


def fit(
    data: TrainingData,
    recipe: Recipe,
    classifier_settings: ClassifierSettings,
    folder: Path | str,
    *,
    restorer: Restorer | None = None,
    seed: int = 0,
    resume: bool = True,
    trainer_flags: Mapping[str, Any] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> FitResult:
    """Train a classifier, and keep the epoch that does best on the validation rows, or the last.

    Parameters
    ----------
    data
        Rows to learn from, and to stop by.
    recipe, classifier_settings
        How, and what.
    folder
        Where the best weights, the history and the resume point are kept while training.
    restorer
        For a patch residual network: as trained on healthy images of the training rows, of the
        settings' own ``restorer``. It stays as it is.
    seed
        One seed gives one result on one machine.
    resume
        Go on where an earlier call with the same settings, data and seed in this folder
        stopped; a finished one returns at once. Anything else in the folder is started anew.
    trainer_flags
        For ``lightning.Trainer``: accelerator, devices, num_nodes, strategy, ...
    progress
        Called after each step.

    Raises
    ------
    GreenstickError
        Where training or validation rows are of one class only, the loss is no longer a number,
        weights or the restorer cannot be had, or the user stopped the training (which then
        resumes).
    """
    check(data, recipe, classifier_settings)
    folder = Path(folder)
    torch.manual_seed(seed)
    model = build_classifier(classifier_settings)
    _take(model, restorer)
    model = model.to(memory_format=torch.channels_last)

    def make_learner(trainer: lightning.Trainer, facts: Facts) -> Learner:
        return _learner(trainer, facts, model, recipe, data, folder, seed, progress)

    def finish(learner: Learner) -> None:
        if isinstance(learner, HeadLearner):
            join_head(model, folder)

    identity = identify(data, recipe, classifier_settings, seed)
    if restorer is not None:
        identity += digest_of(restorer)
    facts = train(
        model,
        recipe,
        identity,
        folder,
        make_learner,
        resume=resume,
        trainer_flags=trainer_flags,
        progress=progress,
        finish=finish,
    )
    shift = prior_shift(data.train.labels, recipe, len(classifier_settings.classes))
    return _result(model, folder, facts, shift)


def _take(model: Classifier, restorer: Restorer | None) -> None:
    """Give a patch residual network its restorer."""
    if model.settings.restorer != (None if restorer is None else restorer.settings):
        raise GreenstickError(
            "The network and the restorer that it is to take are of different settings.",
            remedy="Train a restorer of the settings in model.restorer first.",
        )
    if model.residual is not None and restorer is not None:
        model.residual.take(restorer)


def _learner(
    trainer: lightning.Trainer,
    facts: Facts,
    model: Classifier,
    recipe: Recipe,
    data: TrainingData,
    folder: Path,
    seed: int,
    progress: Callable[[TrainingProgress], None] | None,
) -> Learner:
    autocast = facts.precision == "bf16"
    if trainer.world_size > 1 or not keeps_features(recipe, model, data):
        return Learner(model, recipe, data, seed=seed, autocast=autocast)
    with kept_memory():
        return head_learner(
            model.to(trainer.strategy.root_device),
            recipe,
            data,
            folder,
            seed=seed,
            autocast=autocast,
            progress=progress,
        )


def prior_shift(labels: NDArray[np.int64], recipe: Recipe, classes: int) -> Tensor:
    """Return what to add to each class's logit, (classes,), so that it holds for the rows' shares.

    A network that sees a class more often than it occurs, or whose loss weighs it more, calls it
    too likely by that ratio of the odds (Elkan, IJCAI 2001). A temperature cannot mend that: it
    keeps logit 0 at 0.5.
    """
    weights = class_weights(recipe, torch.from_numpy(labels), classes)
    shift = torch.zeros(classes) if weights is None else -weights.log()
    if recipe.positive_share:
        own, drawn = float((labels == 1).mean()), recipe.positive_share
        shift += math.log(own / (1.0 - own)) - math.log(drawn / (1.0 - drawn))
    return shift


def _result(model: Classifier, folder: Path, facts: Facts, shift: Tensor) -> FitResult:
    model.cpu().load_state_dict(load_file(folder / BEST))
    model.head.shift_logits(shift)
    model.origin = facts.weights_origin
    history = pl.read_parquet(folder / HISTORY)
    kept = int(history.filter("kept")["epoch"][0])
    return FitResult(model.eval(), history, kept, facts.precision)
