"""Teach a patch residual network where bone departs from what intact bone would be."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from greenstick.errors import GreenstickError
from greenstick.models.classifier import Prediction, build_classifier
from greenstick.models.patch_residual import PatchResidual
from greenstick.models.patch_restorer import Restorer
from greenstick.models.settings import ClassifierSettings
from greenstick.training.losses import cell_targets
from greenstick.training.predict import to_images
from greenstick.training.ranking import auroc
from greenstick.training.samples import Batch, RowDataset, Rows, Source, TrainingData


class PatchResidualRecipe(BaseModel):
    """How the grid of a patch residual network is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=16, ge=2)
    lr: float = Field(default=5e-4, gt=0.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    positive_weight: float = Field(
        default=10.0,
        gt=0.0,
        description="of a cell with a fracture beside one without: larger is more sensitive and "
        "less specific",
    )


@dataclass(frozen=True, eq=False)
class PatchResidualFit:
    """What training gives.

    Attributes
    ----------
    model
        With the weights of the best epoch, in evaluation mode on the CPU.
    history
        One row an epoch: ``epoch``, ``loss``, ``valid_loss``, ``valid_auroc``.
    best_epoch
        0-based.
    """

    model: PatchResidual
    history: pl.DataFrame
    best_epoch: int


def fit_patch_residual(
    data: TrainingData,
    recipe: PatchResidualRecipe,
    settings: ClassifierSettings,
    restorer: Restorer,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PatchResidualFit:
    """Train the grid of cells; the restorer stays as it is.

    Images with known boxes teach each cell whether it overlaps one; the others teach their
    highest cell alone, as in multiple-instance learning.

    Parameters
    ----------
    data
        Rows to learn from, and to choose the epoch by.
    recipe, settings
        How, and which classifier: one class.
    restorer
        As trained on healthy images, none of them from the validation rows' patients.
    seed
        One seed gives one result on one machine.
    progress
        Called with (done, all) after each epoch.

    Raises
    ------
    GreenstickError
        Where training or validation rows are of one class only, the classifier has several
        classes, or the loss is no longer a number.
    """
    _check(data, settings)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = PatchResidual(restorer, build_classifier(settings))
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, recipe.lr, weight_decay=recipe.weight_decay)
    history: list[dict[str, float]] = []
    best, weights = -1.0, deepcopy(model.state_dict())
    for epoch in range(recipe.epochs):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * 0.5 * (1.0 + math.cos(math.pi * epoch / recipe.epochs))
        loss = _epoch(model, optimizer, data, recipe, rng)
        valid_loss, valid_auroc = _validate(model, data, recipe)
        history.append(
            {"epoch": epoch, "loss": loss, "valid_loss": valid_loss, "valid_auroc": valid_auroc}
        )
        if valid_auroc > best:
            best, weights = valid_auroc, deepcopy(model.state_dict())
        if progress is not None:
            progress(epoch + 1, recipe.epochs)
    model.load_state_dict(weights)
    table = pl.DataFrame(history)
    return PatchResidualFit(model.eval(), table, int(table["valid_auroc"].arg_max() or 0))


def grid_loss(
    recipe: PatchResidualRecipe, answer: Prediction, batch: Batch, size_px: int
) -> Tensor:
    """Return the weighted binary cross-entropy of a batch, a mean over its images.

    Of an image with known boxes the mean over its cells; of another that of its highest cell.
    """
    maps = answer.maps[:, 0].float()
    weight = maps.new_tensor(recipe.positive_weight)
    targets = cell_targets(batch.boxes, size_px, maps.shape[-2], maps.shape[-1])
    cells = functional.binary_cross_entropy_with_logits(
        maps, targets, pos_weight=weight, reduction="none"
    ).mean(dim=(1, 2))
    highest = functional.binary_cross_entropy_with_logits(
        answer.logits[:, 0].float(), batch.labels.float(), pos_weight=weight, reduction="none"
    )
    return torch.where(batch.annotated, cells, highest).mean()


def mirrored(batch: Batch, rows: Tensor) -> Batch:
    """Mirror some of a batch's images, bool (n,), left to right, with their boxes."""
    size = batch.canvases.shape[-1]
    left, top, right, bottom = batch.boxes.unbind(-1)
    area = right > left  # unused places stay without
    other = torch.stack([torch.where(area, size - right, left), top,
                         torch.where(area, size - left, right), bottom], dim=-1)  # fmt: skip
    return replace(
        batch,
        canvases=torch.where(rows[:, None, None], batch.canvases.flip(-1), batch.canvases),
        boxes=torch.where(rows[:, None, None], other, batch.boxes),
    )


def _check(data: TrainingData, settings: ClassifierSettings) -> None:
    if len(settings.classes) != 1:
        raise GreenstickError(
            f"A patch residual network tells one class, and got {len(settings.classes)}.",
            remedy="Set classes to one name.",
        )
    for name, rows in (("training", data.train), ("validation", data.valid)):
        if len(np.unique(rows.labels)) < 2:
            raise GreenstickError(
                f"The {name} rows are of one class only.",
                remedy="Give images with and without fractures to both.",
            )


def _epoch(
    model: PatchResidual,
    optimizer: torch.optim.Optimizer,
    data: TrainingData,
    recipe: PatchResidualRecipe,
    rng: np.random.Generator,
) -> float:
    model.train()
    order = rng.permutation(len(data.train))
    total, n = 0.0, max(1, len(order) // recipe.batch)
    for rows in np.array_split(order, n):
        batch = _batch(data.store, data.train, rows)
        batch = mirrored(batch, torch.from_numpy(rng.random(len(rows)) < 0.5))
        loss = grid_loss(recipe, model(to_images(batch.canvases)), batch, data.store.canvas_px)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise GreenstickError(
                "The grid's loss is no longer a number.", remedy="Train with a smaller lr."
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += value * len(rows)
    return total / len(order)


@torch.no_grad()
def _validate(
    model: PatchResidual, data: TrainingData, recipe: PatchResidualRecipe
) -> tuple[float, float]:
    """Return the loss and the AUROC of the validation rows."""
    model.eval()
    rows = np.arange(len(data.valid))
    losses, logits = [], []
    for some in np.array_split(rows, max(1, math.ceil(len(rows) / recipe.batch))):
        batch = _batch(data.store, data.valid, some)
        answer = model(to_images(batch.canvases))
        losses += [float(grid_loss(recipe, answer, batch, data.store.canvas_px))] * len(some)
        logits.append(answer.logits[:, 0].numpy())
    return float(np.mean(losses)), auroc(data.valid.labels == 1, np.concatenate(logits))


def _batch(source: Source, rows: Rows, positions: NDArray[np.int64]) -> Batch:
    return RowDataset(source, rows).__getitems__(positions.tolist())
