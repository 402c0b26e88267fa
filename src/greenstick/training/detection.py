"""Fit a detector: as a classifier is fitted, with another loss and another judge."""

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
from torch import Generator, Tensor

from greenstick.errors import GreenstickError
from greenstick.models.cells import STRIDES
from greenstick.models.detector import Detections, Detector, build_detector
from greenstick.models.detector_parts import LearningHead, TrueBatch
from greenstick.models.detector_settings import DetectorSettings
from greenstick.models.finding import MOST
from greenstick.models.merging import Merged
from greenstick.training.checks import check_canvas
from greenstick.training.detection_losses import detection_loss
from greenstick.training.detection_score import average_precision
from greenstick.training.facts import Facts, identify
from greenstick.training.find import merged_of
from greenstick.training.keeper import BEST, HISTORY, TrainingProgress
from greenstick.training.learner import Learner, Validation
from greenstick.training.loop import train
from greenstick.training.mosaic import mosaic
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Batch, Rows, TrainingData
from greenstick.training.views import View

#: Seeds of mosaics are counted from here on, beyond those of steps.
_MOSAIC = 2**32


@dataclass(frozen=True, eq=False)
class DetectorFit:
    """What a fit gives; ``history`` has ``valid_ap`` (AP at IoU 0.5) for each epoch."""

    model: Detector
    history: pl.DataFrame
    kept_epoch: int
    precision: str


class DetectorLearner(Learner):
    """Trains a detector; an epoch is judged by the average precision of its merged boxes."""

    def loss_on(self, view: View) -> Tensor:
        """Return the loss of boxes and scores."""
        known = (view.boxes, view.box_classes, view.annotated)
        truth = TrueBatch(*(values.to(self.device) for values in known))
        assert isinstance(self.model, Detector)
        return self._judged(self.model, view.images, truth)[1]

    def _judged(
        self, model: Detector, images: Tensor, truth: TrueBatch
    ) -> tuple[Detections, Tensor]:
        """Return what a network finds, and its own library's loss, or ours."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            if isinstance(model.head, LearningHead):
                return model.judged(images, truth)
            found = model(images)
        return found, detection_loss(found, truth, images.shape[-1])

    def see(self, batch: Batch, step: int) -> View:
        """Return how a training batch looks, with mosaics but for the last epochs."""
        view, recipe = super().see(batch, step), self.recipe
        if not recipe.mosaic or self.current_epoch >= recipe.epochs - recipe.mosaic_free_epochs:
            return view
        generator = Generator().manual_seed(self._seed_of(_MOSAIC + step))
        return mosaic(view, recipe.mosaic, generator)

    def validation_step(self, batch: Batch, _: int) -> None:
        """Find boxes in a validation batch with the network that counts."""
        images = self.see_plain(batch)
        truth = TrueBatch(batch.boxes, batch.box_classes, batch.annotated)
        model = self.best_model
        assert isinstance(model, Detector)
        found, loss = self._judged(model.eval(), images, truth)
        packed = torch.zeros(len(images), MOST + 1, 6)
        packed[:, -1, 0] = loss
        for place, one in zip(packed, merged_of(found, iou=model.merge_iou), strict=True):
            place[: len(one.scores), :4] = torch.from_numpy(one.corners)
            place[: len(one.scores), 4] = torch.from_numpy(one.scores)
            place[: len(one.scores), 5] = torch.from_numpy(one.classes)
        self._seen.append((batch.rows, packed.to(self.device)))

    def on_validation_epoch_end(self) -> None:
        """Join the processes' boxes, each image once, and take loss and average precision."""
        numbers = self._gather(torch.cat([numbers for numbers, _ in self._seen]))
        packed = self._gather(torch.cat([packed for _, packed in self._seen]))
        joined = torch.zeros(len(self.data.valid), *packed.shape[1:])
        joined[numbers] = packed
        rows = self.data.valid
        known = [i for i, boxes in enumerate(rows.boxes) if boxes is not None]
        precision = average_precision(
            [np.asarray(rows.boxes[i]) for i in known],
            [rows.classes_of_boxes(i) for i in known],
            [_unpacked(joined[i, :-1].numpy()) for i in known],
        )
        self.validation = Validation(float(joined[:, -1, 0].mean()), precision)
        self._judge(precision)


def _unpacked(values: NDArray[np.float32]) -> Merged:
    there = values[values[:, 4] > 0].astype(np.float64)
    return Merged(there[:, :4], there[:, 4], there[:, 5].astype(np.int64))


def fit_detector(
    data: TrainingData,
    recipe: Recipe,
    settings: DetectorSettings,
    folder: Path | str,
    *,
    seed: int = 0,
    resume: bool = True,
    trainer_flags: Mapping[str, Any] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> DetectorFit:
    """Train a detector, and keep the epoch of the best average precision on validation images.

    Images without a fracture are true negatives; a fracture whose boxes nobody drew contributes
    nothing. Everything else is as in :func:`greenstick.training.fit.fit`; of the recipe, what
    concerns the loss of image labels is not used, and ``patience`` goes by average precision.

    Raises
    ------
    GreenstickError
        Where there are no boxes to learn from or to stop by, sides are no multiples of 32,
        weights cannot be had, or the user stopped the training (which then resumes).
    """
    _check(data, recipe)
    folder = Path(folder)
    torch.manual_seed(seed)
    model = build_detector(settings).to(memory_format=torch.channels_last)

    def make_learner(_: lightning.Trainer, facts: Facts) -> Learner:
        return DetectorLearner(model, recipe, data, seed=seed, autocast=facts.precision == "bf16")

    facts = train(
        model,
        recipe,
        identify(data, recipe, settings, seed),
        folder,
        make_learner,
        resume=resume,
        trainer_flags=trainer_flags,
        progress=progress,
    )
    model.cpu().load_state_dict(load_file(folder / BEST))
    model.origin = facts.weights_origin
    history = pl.read_parquet(folder / HISTORY).rename({"valid_auroc": "valid_ap"})
    kept = int(history.filter("kept")["epoch"][0])
    return DetectorFit(model.eval(), history, kept, facts.precision)


def _check(data: TrainingData, recipe: Recipe) -> None:
    for name, rows in (("training", data.train), ("validation", data.valid)):
        if not _boxes(rows):
            raise GreenstickError(
                f"There are no boxes on the {name} images.",
                remedy="Import the cohort with its boxes, and split it so that both sides have.",
            )
    check_canvas(data, recipe)
    for name in ("canvas_px", "crop_px", "start_px"):
        if getattr(recipe, name) % STRIDES[-1]:
            raise GreenstickError(
                f"A detector cannot take recipe.{name} = {getattr(recipe, name)}.",
                remedy=f"Take a multiple of {STRIDES[-1]}.",
            )


def _boxes(rows: Rows) -> int:
    return sum(len(boxes) for boxes in rows.boxes if boxes is not None)
