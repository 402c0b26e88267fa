"""How a classifier learns, as a Lightning module: steps, validation, freezing, averaging.

Every random draw is a function of (seed, epoch, step, process), so an epoch does not depend on
how training came to it: a killed training that resumes gives what an unbroken one gives.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader

from greenstick.errors import GreenstickError
from greenstick.models.classifier import Classifier
from greenstick.models.detector import Detector
from greenstick.models.head_alone import HeadAlone
from greenstick.training.consistency import Consistency, learns_unlabeled
from greenstick.training.losses import box_loss, cell_loss, class_weights, image_loss
from greenstick.training.predict import to_images
from greenstick.training.ranking import mean_auroc
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Batch, EpochSampler, Rows, TrainingData, make_loader
from greenstick.training.schedule import (
    make_optimizer,
    plateau_level,
    rate_factor,
    update_average,
)
from greenstick.training.views import View, best_layout, draw_anew, draw_copies, look

#: What can be trained.
Network = Classifier | HeadAlone | Detector

_CHECK_EVERY = 20  # steps between looks at the loss, each of which waits for the device


@dataclass(frozen=True)
class Validation:
    """How an epoch did on the validation rows."""

    loss: float
    auroc: float


class Learner(lightning.LightningModule):
    """Trains a classifier by a recipe.

    Parameters
    ----------
    model
        Is trained in place.
    recipe, data
        How, and on what.
    seed
        Of everything that is drawn.
    autocast
        Whether to compute in bfloat16 where that is safe; weights stay in float32.
    """

    def __init__(
        self,
        model: Network,
        recipe: Recipe,
        data: TrainingData,
        *,
        seed: int,
        autocast: bool,
    ) -> None:
        super().__init__()
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False) if recipe.ema_decay else None
        self.recipe = recipe
        self.seed = seed
        self.data = data
        self.autocast = autocast
        self.validation = Validation(math.nan, math.nan)
        self.train_loss = math.nan
        self._valid_labels = torch.from_numpy(data.valid.labels)
        self._weights = class_weights(
            recipe, torch.from_numpy(data.train.labels), len(model.settings.classes)
        )
        self._consistency = Consistency(recipe, data) if learns_unlabeled(recipe, data) else None
        self._aurocs: list[float] = []
        self._losses: list[Tensor] = []
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def best_model(self) -> Network:
        """The network whose validation counts: the average where there is one."""
        return self.average if self.average is not None else self.model

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, stepped each optimizer step."""
        optimizer = make_optimizer(self.recipe, self.model)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(self.recipe, step, steps) * self._level()
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def train_dataloader(self) -> "DataLoader[Batch]":
        """Return this process's training batches."""
        rows = self.data.train.copies(self.recipe.copies or 1)
        return self._loader(rows, self.seed)

    def val_dataloader(self) -> "DataLoader[Batch]":
        """Return this process's validation batches."""
        return self._loader(self.data.valid, None)

    def _loader(self, rows: Rows, seed: int | None) -> "DataLoader[Batch]":
        sampler = EpochSampler(
            rows.labels,
            self.recipe.batch_size,
            seed=seed,
            positive_share=self.recipe.positive_share,
            repeats=rows.repeats(self.recipe.rare_below),
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
        )
        on_gpu = self.device.type == "cuda"
        # On a CPU a batch is a copy out of mapped memory: processes would only add to it.
        return make_loader(self.data.store, rows, sampler, workers=2 if on_gpu else 0, pin=on_gpu)

    def on_train_epoch_start(self) -> None:
        """Freeze what this epoch does not train."""
        recipe = self.recipe
        only_head = recipe.freeze == "head-only" or (
            recipe.freeze == "head-first" and self.current_epoch < recipe.head_epochs
        )
        self.model.freeze(None if only_head else recipe.frozen_stages)
        self._losses = []

    def training_step(self, batch: Batch, step: int) -> Tensor:
        """Augment a batch, and return its loss."""
        view = self.see(batch, step)
        # Dropout and stochastic depth draw from the global generator, as do others in between.
        torch.manual_seed(self._seed_of(2 * step))
        loss = self.loss_on(view)
        if self._consistency is not None:
            loss = loss + self.recipe.unlabeled_weight * self._agree(self._consistency, batch, step)
        self._losses.append(loss.detach())
        if step % _CHECK_EVERY == 0:
            _refuse_nan(loss, self.current_epoch)
        return loss

    def _agree(self, consistency: Consistency, batch: Batch, step: int) -> Tensor:
        """Return the loss on images without a label that go with a batch."""
        seed = self._seed_of(2 * step + 1)
        others = consistency.draw(len(batch.labels), seed).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            return consistency.loss(
                self.model, self.best_model, others, seed=seed, small=self._small()
            )

    def _small(self) -> bool:
        """Whether this epoch's images are of ``start_px``."""
        return bool(self.recipe.start_px) and self.current_epoch < self.recipe.start_epochs

    def loss_on(self, view: View) -> Tensor:
        """Return the loss of what the network says of a batch as it sees it."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            prediction = self.model(view.images)
        size_px = view.images.shape[-1]
        if self.recipe.loss == "cells":
            return cell_loss(
                prediction.maps,
                view.labels,
                view.boxes,
                view.annotated,
                size_px=size_px,
                positive_weight=self.recipe.positive_weight,
            )
        loss = image_loss(self.recipe, prediction.logits.float(), view.labels, self._weights)
        if self.recipe.box_loss_weight:
            cells = box_loss(prediction.maps, view.boxes, view.annotated, size_px)
            loss = loss + self.recipe.box_loss_weight * cells
        return loss

    def see(self, batch: Batch, step: int) -> View:
        """Return how a training batch looks in a step of this epoch."""
        recipe, small = self.recipe, self._small()
        if recipe.copies:
            rows, images = batch.rows.tolist(), len(self.data.train)
            drawn = draw_copies(recipe, batch.boxes, rows, images, seed=self.seed, small=small)
        else:
            generator = Generator().manual_seed(self._seed_of(2 * step + 1))
            drawn = draw_anew(recipe, batch.boxes, generator, small=small)
        return look(drawn, batch, recipe, small=small)

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average after each optimizer step."""
        if self.average is not None and self._is_step_end():
            update_average(
                self.average, self.model, decay=self.recipe.ema_decay, step=self.global_step
            )

    def _is_step_end(self) -> bool:
        batch = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return batch % self.recipe.accumulate == 0 or self.trainer.is_last_batch

    def see_plain(self, batch: Batch) -> Tensor:
        """Return a validation batch without augmentation."""
        return best_layout(to_images(batch.canvases))

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's validation."""
        self._seen = []

    def validation_step(self, batch: Batch, _: int) -> None:
        """Score a validation batch with the network that counts."""
        images = self.see_plain(batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            prediction = self.best_model.eval()(images)
        self._seen.append((batch.rows, prediction.logits.float()))

    def on_validation_epoch_end(self) -> None:
        """Join the processes' scores, each row once, and take loss and AUROC."""
        rows = self._gather(torch.cat([rows for rows, _ in self._seen]))
        logits = self._gather(torch.cat([logits for _, logits in self._seen]))
        joined = torch.zeros(len(self._valid_labels), logits.shape[1])
        joined[rows] = logits
        loss = image_loss(self.recipe, joined, self._valid_labels, self._weights)
        auroc = mean_auroc(self._valid_labels.numpy(), joined.numpy())
        self.validation = Validation(float(loss), auroc)
        self._judge(auroc)

    def _judge(self, auroc: float) -> None:
        """Lower the rate at a plateau; the schedule, which goes by steps, has gone on already."""
        before = self._level()
        self._aurocs.append(auroc)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] *= self._level() / before

    def _level(self) -> float:
        return plateau_level(self.recipe, self._aurocs)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the plateau schedule goes by."""
        checkpoint["aurocs"] = self._aurocs

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up what was kept."""
        self._aurocs = checkpoint["aurocs"]

    def on_train_epoch_end(self) -> None:
        """Take the epoch's mean training loss."""
        losses = self._gather(torch.stack(self._losses))
        self.train_loss = float(losses.mean())
        _refuse_nan(losses, self.current_epoch)

    def _gather(self, values: Tensor) -> Tensor:
        gathered = self.all_gather(values) if self.trainer.world_size > 1 else values
        assert isinstance(gathered, Tensor)
        if self.trainer.world_size > 1:
            gathered = gathered.flatten(0, 1)
        return gathered.cpu()

    def _seed_of(self, part: int) -> int:
        sequence = np.random.SeedSequence([self.seed, self.current_epoch, self.global_rank, part])
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def _refuse_nan(losses: Tensor, epoch: int) -> None:
    if not bool(torch.isfinite(losses).all()):
        raise GreenstickError(
            f"The training loss is no longer a number (epoch {epoch + 1}).",
            remedy="Lower recipe.lr, set recipe.gradient_clip to 1, or recipe.precision to '32'.",
        )
