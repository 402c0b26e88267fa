"""Fit a classifier: from rows and a recipe to the best epoch's weights."""

import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import polars as pl
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.strategies import DDPStrategy
from numpy.typing import NDArray
from safetensors.torch import load_file

from greenstick.errors import Stopped
from greenstick.models.classifier import Classifier, build_classifier
from greenstick.models.settings import ClassifierSettings
from greenstick.training.checks import check
from greenstick.training.cpu import kept_memory, quicken
from greenstick.training.facts import (
    FACTS,
    Facts,
    fingerprint,
    identify,
    read_facts,
    wait_for_facts,
    write_facts,
)
from greenstick.training.frozen_features import (
    FEATURES,
    HeadLearner,
    head_learner,
    join_head,
    keeps_features,
)
from greenstick.training.keeper import BEST, HISTORY, RESUME, Keeper, TrainingProgress
from greenstick.training.learner import Learner
from greenstick.training.precision import choose_precision
from greenstick.training.recipe import Recipe
from greenstick.training.samples import TrainingData

__all__ = ["FitResult", "fingerprint", "fit"]

_PLAIN_DDP = {
    "auto": "ddp_find_unused_parameters_true",
    "ddp": "ddp_find_unused_parameters_true",
    "ddp_spawn": "ddp_spawn_find_unused_parameters_true",
}


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a fit gives.

    Attributes
    ----------
    model
        With the weights of the best epoch (the average's, where the recipe averages), in
        evaluation mode on the CPU.
    history
        One row an epoch; columns as in :data:`greenstick.training.keeper.HISTORY_SCHEMA`.
    best_epoch
        0-based.
    precision
        "32" or "bf16".
    """

    model: Classifier
    history: pl.DataFrame
    best_epoch: int
    precision: str


def fit(
    data: TrainingData,
    recipe: Recipe,
    classifier_settings: ClassifierSettings,
    folder: Path | str,
    *,
    seed: int = 0,
    resume: bool = True,
    trainer_flags: Mapping[str, Any] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> FitResult:
    """Train a classifier, and keep the epoch that does best on the validation rows.

    Parameters
    ----------
    data
        Rows to learn from, and to stop by.
    recipe, classifier_settings
        How, and what.
    folder
        Where the best weights, the history and the resume point are kept while training.
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
        weights cannot be had, or the user stopped the training (which then resumes).
    """
    check(data, recipe, classifier_settings)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = build_classifier(classifier_settings).to(memory_format=torch.channels_last)
    keeper = Keeper(folder, patience=recipe.patience, progress=progress)
    identity = identify(data, recipe, classifier_settings, seed)
    with _quiet():
        trainer = _make_trainer(recipe, keeper, dict(trainer_flags or {}))
        facts = read_facts(folder, identity) if resume else None
        facts = facts or _settle(folder, identity, recipe, model, trainer)
        if not facts.finished:
            learner = _learner(trainer, keeper, model, recipe, data, seed, facts)
            _run(trainer, learner, folder)
            if trainer.is_global_zero:
                if isinstance(learner, HeadLearner):
                    join_head(model, folder)
                write_facts(folder, facts.model_copy(update={"finished": True}))
                (folder / RESUME).unlink(missing_ok=True)  # four times the size of the weights
    return _result(model, folder, facts, prior_shift(data.train.labels, recipe))


def _settle(
    folder: Path, identity: str, recipe: Recipe, model: Classifier, trainer: lightning.Trainer
) -> Facts:
    """Start anew: choose what is to be chosen once, on the first process."""
    if not trainer.is_global_zero:
        return wait_for_facts(folder, identity)
    for name in (FACTS, RESUME, BEST, HISTORY, FEATURES):
        (folder / name).unlink(missing_ok=True)
    chosen = choose_precision(recipe, model, trainer.strategy.root_device)
    facts = Facts(
        identity=identity,
        precision=chosen.name,
        trial_images_per_s=chosen.images_per_s,
        weights_origin=model.origin,
    )
    return write_facts(folder, facts)


def _learner(
    trainer: lightning.Trainer,
    keeper: Keeper,
    model: Classifier,
    recipe: Recipe,
    data: TrainingData,
    seed: int,
    facts: Facts,
) -> Learner:
    autocast = facts.precision == "bf16"
    if trainer.world_size > 1 or not keeps_features(recipe, model, data):
        return Learner(model, recipe, data, seed=seed, autocast=autocast)
    with kept_memory():
        return head_learner(
            model.to(trainer.strategy.root_device),
            recipe,
            data,
            keeper.folder,
            seed=seed,
            autocast=autocast,
            progress=keeper.progress,
        )


def _run(trainer: lightning.Trainer, learner: Learner, folder: Path) -> None:
    resume = folder / RESUME
    on_cpu = trainer.strategy.root_device.type == "cpu"
    if on_cpu:
        quicken(learner.model)
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        with kept_memory() if on_cpu else nullcontext():
            trainer.fit(learner, ckpt_path=resume if resume.exists() else None, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C, after which it ignores Ctrl-C for good
        signal.signal(signal.SIGINT, on_interrupt)
        raise Stopped(
            f"Training was stopped in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}.",
            remedy="Run the same command again to go on from that epoch.",
        ) from None


def _make_trainer(recipe: Recipe, keeper: Keeper, flags: dict[str, Any]) -> lightning.Trainer:
    defaults: dict[str, Any] = {
        "max_epochs": recipe.epochs,
        "accumulate_grad_batches": recipe.accumulate,
        "gradient_clip_val": recipe.gradient_clip or None,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,  # ours knows of processes, and draws by class
        "default_root_dir": keeper.folder,
    }
    settings = {**defaults, **flags}
    trainer = lightning.Trainer(callbacks=[keeper], **settings)
    strategy = settings.get("strategy", "auto")
    if isinstance(trainer.strategy, DDPStrategy) and strategy in _PLAIN_DDP:
        # Some parameters have no gradient to share: a frozen stage's, or those of a layer that
        # timm keeps for a classifier which is not there.
        settings["strategy"] = _PLAIN_DDP[strategy]
        trainer = lightning.Trainer(callbacks=[keeper], **settings)
    return trainer


def prior_shift(labels: NDArray[np.int64], recipe: Recipe) -> float:
    """Return what to add to logits that were learned on a share of fractures not the rows' own.

    A network that sees fractures more often than they occur calls them too likely by the ratio
    of the odds (Elkan, IJCAI 2001). A temperature cannot mend that: it keeps logit 0 at 0.5.
    """
    if not recipe.positive_share:
        return 0.0
    own, drawn = float((labels == 1).mean()), recipe.positive_share
    return math.log(own / (1.0 - own)) - math.log(drawn / (1.0 - drawn))


def _result(model: Classifier, folder: Path, facts: Facts, shift: float) -> FitResult:
    model.cpu().load_state_dict(load_file(folder / BEST))
    model.head.shift_logits(shift)
    model.origin = facts.weights_origin
    history = pl.read_parquet(folder / HISTORY)
    ranked = history.sort(["valid_auroc", "valid_loss", "epoch"], descending=[True, False, False])
    return FitResult(model.eval(), history, int(ranked["epoch"][0]), facts.precision)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Lightning's notes on itself; its errors and other warnings pass."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"lightning\.")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
