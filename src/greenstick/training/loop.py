"""The loop that every network is trained by: trainer, resume point, and a clean end."""

import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.strategies import DDPStrategy

from greenstick.errors import Stopped
from greenstick.quiet import only_errors_of
from greenstick.training.cpu import kept_memory, quicken
from greenstick.training.facts import FACTS, Facts, read_facts, wait_for_facts, write_facts
from greenstick.training.frozen_features import FEATURES
from greenstick.training.keeper import BEST, HISTORY, RESUME, Keeper, TrainingProgress
from greenstick.training.learner import Learner, Network
from greenstick.training.precision import choose_precision
from greenstick.training.recipe import Recipe

_PLAIN_DDP = {
    "auto": "ddp_find_unused_parameters_true",
    "ddp": "ddp_find_unused_parameters_true",
    "ddp_spawn": "ddp_spawn_find_unused_parameters_true",
}


def train(
    model: Network,
    recipe: Recipe,
    identity: str,
    folder: Path,
    make_learner: Callable[[lightning.Trainer, Facts], Learner],
    *,
    resume: bool = True,
    trainer_flags: Mapping[str, Any] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
    finish: Callable[[Learner], None] | None = None,
) -> Facts:
    """Train a network, or go on where an earlier call with the same identity stopped.

    Parameters
    ----------
    model, recipe
        What, and how.
    identity
        Digest of everything that decides the result, as by :func:`facts.identify`.
    folder
        Where the best weights, the history and the resume point are kept.
    make_learner
        Called once the precision is settled.
    resume, trainer_flags, progress
        As of :func:`~greenstick.training.fit.fit`.
    finish
        Called with the learner on the first process, before the best weights are final.

    Raises
    ------
    Stopped
        Where the user stopped the training (which then resumes).
    """
    folder.mkdir(parents=True, exist_ok=True)
    keeper = Keeper(folder, patience=recipe.patience, keep=recipe.keep, progress=progress)
    with _quiet():
        trainer = _make_trainer(recipe, keeper, dict(trainer_flags or {}))
        facts = read_facts(folder, identity) if resume else None
        facts = facts or _settle(folder, identity, recipe, model, trainer)
        if not facts.finished:
            learner = make_learner(trainer, facts)
            _run(trainer, learner, folder)
            if trainer.is_global_zero:
                if finish is not None:
                    finish(learner)
                write_facts(folder, facts.model_copy(update={"finished": True}))
                (folder / RESUME).unlink(missing_ok=True)  # four times the size of the weights
    return facts


def _settle(
    folder: Path, identity: str, recipe: Recipe, model: Network, trainer: lightning.Trainer
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Lightning's notes on itself; its errors and other warnings pass."""
    loggers = ("lightning.pytorch", "lightning.fabric")
    with only_errors_of(loggers), warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"lightning\.")
        yield
