"""What is kept of a training while it runs: history, best weights, and where to resume."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import polars as pl
from lightning.pytorch.callbacks import Checkpoint

from greenstick.files import write_whole
from greenstick.models.parts import write_weights
from greenstick.training.learner import Learner
from greenstick.training.samples import Batch

BEST, RESUME, HISTORY = "best.safetensors", "resume.ckpt", "history.parquet"

#: One row an epoch. ``images_per_s`` is of training alone, ``seconds`` counts validation too, and
#: ``kept`` tells the epoch whose weights these are.
HISTORY_SCHEMA = {
    "epoch": pl.Int32,
    "train_loss": pl.Float64,
    "valid_loss": pl.Float64,
    "valid_auroc": pl.Float64,
    "images_per_s": pl.Float64,
    "seconds": pl.Float64,
    "lr": pl.Float64,
    "kept": pl.Boolean,
}


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands, told after each step.

    Attributes
    ----------
    epoch, epochs
        The running epoch (0-based), and how many there are.
    step, steps
        Steps done in this epoch, and how many it has.
    images_per_s
        Of this epoch so far, over all devices.
    seconds_left
        Until the last epoch is done, if none is spared; NaN before the first step.
    best_auroc
        On validation, so far; NaN in the first epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_s: float
    seconds_left: float
    best_auroc: float


class Keeper(Checkpoint):
    """Writes history, best weights and a resume point after each epoch; stops in time.

    The files are replaced whole, the resume point last: a run that is killed anywhere goes on
    from the last whole epoch.

    Parameters
    ----------
    folder
        Where :data:`BEST`, :data:`RESUME` and :data:`HISTORY` are written.
    patience
        Epochs without a better validation AUROC before training stops; 0: never.
    keep
        Whether the weights of the best epoch are kept, or the last's.
    progress
        Called after each step on the first process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        patience: int,
        keep: Literal["best", "last"] = "best",
        progress: Callable[[TrainingProgress], None] | None = None,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.patience = patience
        self.keep = keep
        self.progress = progress
        self.rows: list[dict[str, float]] = []
        self.best_epoch = -1
        self.best_auroc = -math.inf
        self.best_loss = math.inf
        self._epoch_start = self._last_step = 0.0
        self._images = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training must know."""
        return {
            "rows": self.rows,
            "best_epoch": self.best_epoch,
            "best_auroc": self.best_auroc,
            "best_loss": self.best_loss,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` told."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the epoch's clock."""
        self._epoch_start = self._last_step = time.perf_counter()
        self._images = 0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        _learner: Any,
        _outputs: Any,
        batch: Batch,
        step: int,
    ) -> None:
        """Tell the progress."""
        self._last_step = time.perf_counter()
        self._images += len(batch.rows) * trainer.world_size
        if self.progress is not None and trainer.is_global_zero:
            self.progress(self._where(trainer, step + 1))

    def on_train_epoch_end(self, trainer: lightning.Trainer, learner: Any) -> None:
        """Judge the epoch, and write it down."""
        self._judge(trainer, learner)
        if trainer.is_global_zero:
            kept = trainer.current_epoch if self.keep == "last" else self.best_epoch
            if kept == trainer.current_epoch:
                write_weights(learner.best_model, self.folder / BEST)
            write_whole(self.folder / HISTORY, _history(self.rows, kept).write_parquet)
        if self.patience and trainer.current_epoch - self.best_epoch >= self.patience:
            trainer.should_stop = True
        # On every process, and of one name: some strategies gather here.
        part = self.folder / (RESUME + ".part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            part.replace(self.folder / RESUME)

    def _judge(self, trainer: lightning.Trainer, learner: Learner) -> None:
        result = learner.validation
        # Small validation sets tie often; the loss then tells which epoch is surer.
        if (result.auroc, -result.loss) > (self.best_auroc, -self.best_loss):
            self.best_epoch = trainer.current_epoch
            self.best_auroc, self.best_loss = result.auroc, result.loss
        rates = trainer.optimizers[0].param_groups
        self.rows.append(
            {
                "epoch": trainer.current_epoch,
                "train_loss": learner.train_loss,
                "valid_loss": result.loss,
                "valid_auroc": result.auroc,
                "images_per_s": self._images / max(1e-9, self._last_step - self._epoch_start),
                "seconds": time.perf_counter() - self._epoch_start,
                "lr": float(rates[0]["lr"]),
            }
        )

    def _where(self, trainer: lightning.Trainer, step: int) -> TrainingProgress:
        epochs = trainer.max_epochs or 1
        steps = int(trainer.num_training_batches)
        spent = self._last_step - self._epoch_start
        whole = self.rows[-1]["seconds"] if self.rows else spent / step * steps
        left = spent / step * (steps - step) + whole * (epochs - trainer.current_epoch - 1)
        best = self.best_auroc if self.rows else math.nan
        return TrainingProgress(
            trainer.current_epoch, epochs, step, steps, self._images / spent, left, best
        )


def _history(rows: list[dict[str, float]], kept: int) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=HISTORY_SCHEMA)
    return table.with_columns(kept=pl.col("epoch") == kept)
