"""Fit a classifier: from rows and a recipe to the best epoch's weights."""

import hashlib
import json
import logging
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
from safetensors.torch import load_file

from greenstick.errors import GreenstickError
from greenstick.models.classifier import Classifier, ClassifierSettings, build_classifier
from greenstick.training.cpu import kept_memory, quicken
from greenstick.training.keeper import BEST, HISTORY, RESUME, Keeper, TrainingProgress
from greenstick.training.learner import Learner
from greenstick.training.precision import Precision, choose_precision
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Rows, TrainingData

_FACTS = "fit.json"
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
    _check(data, recipe, classifier_settings)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    identity = _identity(data, recipe, classifier_settings, seed)
    facts = _read_facts(folder, identity) if resume else {}
    torch.manual_seed(seed)
    model = build_classifier(classifier_settings).to(memory_format=torch.channels_last)
    keeper = Keeper(folder, patience=recipe.patience, progress=progress)
    with _quiet():
        trainer = _make_trainer(recipe, keeper, dict(trainer_flags or {}))
        if not facts:
            _clear(folder)
            chosen = choose_precision(recipe, model, trainer.strategy.root_device)
            facts = _write_facts(folder, identity, chosen, model.origin)
        if not facts["finished"]:
            learner = Learner(model, recipe, data, seed=seed, autocast=facts["precision"] == "bf16")
            on_cpu = trainer.strategy.root_device.type == "cpu"
            if on_cpu:
                quicken(model)
            with kept_memory() if on_cpu else nullcontext():
                _run(trainer, learner, folder)
            facts = _finish(folder, facts)
    return _result(model, folder, facts)


def _run(trainer: lightning.Trainer, learner: Learner, folder: Path) -> None:
    resume = folder / RESUME
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(learner, ckpt_path=resume if resume.exists() else None, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C, after which it ignores Ctrl-C for good
        signal.signal(signal.SIGINT, on_interrupt)
        raise GreenstickError(
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


def _check(data: TrainingData, recipe: Recipe, settings: ClassifierSettings) -> None:
    for name, rows in (("training", data.train), ("validation", data.valid)):
        if len(rows) == 0:
            raise GreenstickError(
                f"There are no {name} images.", remedy="Check the split's fractions or column."
            )
        if len(np.unique(rows.labels)) < 2:
            raise GreenstickError(
                f"All {len(rows)} {name} images are of one class.",
                remedy="Both classes are needed on each side: use a larger or stratified split.",
            )
    if recipe.loss == "cross-entropy" and len(settings.classes) == 1:
        raise GreenstickError(
            "Cross-entropy needs two classes or more, and the model has one output.",
            remedy="Set recipe.loss to 'bce', or give the classes both names.",
        )
    if recipe.box_loss_weight and len(settings.classes) > 1:
        raise GreenstickError(
            "The box loss is for a model of one output: fracture or not.",
            remedy="Set recipe.box_loss_weight to 0, or keep the one class 'fracture'.",
        )
    if recipe.crop_px > recipe.canvas_px:
        raise GreenstickError(
            f"Crops of {recipe.crop_px} px do not fit a canvas of {recipe.canvas_px} px.",
            remedy="Lower recipe.crop_px or raise recipe.canvas_px.",
        )
    if data.store.canvas_px != recipe.canvas_px:
        raise GreenstickError(
            f"The pixel store holds canvases of {data.store.canvas_px} px, and the recipe wants "
            f"{recipe.canvas_px} px.",
            remedy="Open the pixel store with the recipe's canvas_px.",
        )


def _identity(data: TrainingData, recipe: Recipe, settings: ClassifierSettings, seed: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(recipe.model_dump_json().encode())
    digest.update(settings.model_dump_json().encode())
    digest.update(f"{seed} {torch.__version__}".encode())
    for rows in (data.train, data.valid):
        digest.update(fingerprint(rows).encode())
    return digest.hexdigest()


def fingerprint(rows: Rows) -> str:
    """Return a digest of images (their contents), labels and boxes; the rows' order matters."""
    digest = hashlib.blake2b(digest_size=16)
    for key, label, boxes in zip(rows.keys, rows.labels, rows.boxes, strict=True):
        digest.update(key)
        digest.update(int(label).to_bytes(4, "little"))
        digest.update(b"?" if boxes is None else boxes.tobytes())
    return digest.hexdigest()


def _read_facts(folder: Path, identity: str) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if facts.get("identity") == identity else {}


def _write_facts(folder: Path, identity: str, chosen: Precision, origin: str) -> dict[str, Any]:
    return _replace_facts(
        folder,
        {
            "identity": identity,
            "precision": chosen.name,
            "trial_images_per_s": chosen.images_per_s,
            "weights_origin": origin,
            "finished": False,
        },
    )


def _finish(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    done = _replace_facts(folder, {**facts, "finished": True})
    (folder / RESUME).unlink(missing_ok=True)  # four times the size of the weights
    return done


def _replace_facts(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    part = folder / (_FACTS + ".part")
    part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / _FACTS)
    return facts


def _clear(folder: Path) -> None:
    for name in (_FACTS, RESUME, BEST, HISTORY):
        (folder / name).unlink(missing_ok=True)


def _result(model: Classifier, folder: Path, facts: dict[str, Any]) -> FitResult:
    model.cpu().load_state_dict(load_file(folder / BEST))
    model.origin = facts["weights_origin"]
    history = pl.read_parquet(folder / HISTORY)
    ranked = history.sort(["valid_auroc", "valid_loss", "epoch"], descending=[True, False, False])
    return FitResult(model.eval(), history, int(ranked["epoch"][0]), facts["precision"])


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
