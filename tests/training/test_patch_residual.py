from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.models.classifier import Prediction
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.training.patch_residual import (
    PatchResidualFit,
    PatchResidualRecipe,
    fit_patch_residual,
    grid_loss,
    mirrored,
)
from greenstick.training.samples import Batch, Rows, TrainingData

SIZE = 64
TINY = ClassifierSettings(backbone="test_efficientnet", weights="none")
RECIPE = PatchResidualRecipe(epochs=8, batch=8, lr=5e-3)


class Bars:
    """Bars, every second one with a gap, in noise."""

    canvas_px = SIZE

    def gather(self, keys: Sequence[bytes]) -> NDArray[Any]:
        return np.stack([draw(int(key))[0] for key in keys])


def draw(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    image = rng.integers(40, 80, (SIZE, SIZE)).astype(np.uint8)
    left, top = int(rng.integers(12, 40)), int(rng.integers(10, 46))
    image[:, left : left + 12] += 130
    if seed % 2 == 0:
        return image, np.zeros((0, 4))
    image[top : top + 8, left : left + 12] = 60
    return image, np.array([[left, top, 12.0, 8.0]])


def rows(seeds: range) -> Rows:
    labels = np.array([seed % 2 for seed in seeds], np.int64)
    return Rows([str(seed).encode() for seed in seeds], labels, [draw(seed)[1] for seed in seeds])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def fitted(train: Rows, seed: int = 0, epochs: int = RECIPE.epochs) -> PatchResidualFit:
    torch.manual_seed(9)
    restorer = Restorer(RestorerSettings(patch_px=8, width=8, scales=(1,))).eval()
    recipe = RECIPE.model_copy(update={"epochs": epochs})
    data = TrainingData(Bars(), train, rows(range(100, 130)))
    return fit_patch_residual(data, recipe, TINY, restorer, seed=seed)


def test_it_learns_gaps_from_boxes() -> None:
    result = fitted(rows(range(48)))
    assert float(result.history["valid_auroc"].max() or 0.0) > 0.9
    best = result.history.row(result.best_epoch, named=True)
    assert best["valid_auroc"] == result.history["valid_auroc"].max()
    images = torch.from_numpy(Bars().gather([b"100", b"101"])[:, None] / np.float32(255))
    with torch.no_grad():
        whole, broken = result.model(images).logits[:, 0]
    assert broken > whole


def test_one_seed_gives_one_model_and_steps_are_told() -> None:
    train = rows(range(12))
    first, again = fitted(train, epochs=2), fitted(train, epochs=2)
    assert first.history.equals(again.history)
    weights = again.model.state_dict()
    assert all(
        torch.equal(value, weights[name]) for name, value in first.model.state_dict().items()
    )


def test_the_loss_is_weighed_by_hand() -> None:
    maps = torch.tensor([[[[2.0, -1.0], [0.0, 1.0]]], [[[3.0, -2.0], [0.5, 0.0]]]])
    batch = Batch(
        rows=torch.arange(2),
        canvases=torch.zeros(2, 8, 8, dtype=torch.uint8),
        labels=torch.tensor([1, 1]),
        boxes=torch.tensor([[[5.0, 0.0, 7.0, 3.0]], [[0.0, 0.0, 0.0, 0.0]]]),
        box_classes=torch.zeros(2, 1),
        annotated=torch.tensor([True, False]),
    )
    loss = grid_loss(
        PatchResidualRecipe(positive_weight=4.0), Prediction(maps.amax(dim=(2, 3)), maps), batch, 8
    )
    sigmoid = 1.0 / (1.0 + np.exp(-np.array([2.0, -1.0, 0.0, 1.0, 3.0])))
    cells = -(np.log(1 - sigmoid[0]) + 4 * np.log(sigmoid[1]) + np.log(1 - sigmoid[[2, 3]]).sum())
    assert float(loss) == pytest.approx((cells / 4 - 4 * np.log(sigmoid[4])) / 2, rel=1e-5)


def test_without_boxes_only_the_highest_cell_is_taught() -> None:
    maps = torch.tensor([[[[0.2, 0.7], [0.1, 0.3]]]], requires_grad=True)
    image, _ = draw(1)
    batch = Batch(
        torch.arange(1), torch.from_numpy(image[None]), torch.ones(1), torch.zeros(1, 1, 4),
        torch.zeros(1, 1), torch.tensor([False]),
    )  # fmt: skip
    grid_loss(RECIPE, Prediction(maps.amax(dim=(2, 3)), maps), batch, SIZE).backward()
    assert maps.grad is not None
    assert (maps.grad != 0).flatten().tolist() == [False, True, False, False]


def test_mirroring_takes_boxes_along_and_twice_is_nothing() -> None:
    image, boxes = draw(1)
    left, top, width, height = boxes[0]
    corners = torch.tensor(
        [[[left, top, left + width, top + height], [0, 0, 0, 0]]], dtype=torch.float32
    )
    batch = Batch(
        torch.arange(1), torch.from_numpy(image[None]), torch.ones(1), corners,
        torch.zeros(1, 2), torch.tensor([True]),
    )  # fmt: skip
    both = torch.tensor([True])
    once = mirrored(batch, both)
    inside = [round(float(edge)) for edge in once.boxes[0, 0]]
    gap = once.canvases[0, inside[1] : inside[3], inside[0] : inside[2]]
    assert (gap == 60).all()
    assert (once.boxes[0, 1] == 0).all()
    twice = mirrored(once, both)
    assert torch.equal(twice.boxes, batch.boxes)
    assert torch.equal(twice.canvases, batch.canvases)
    assert torch.equal(mirrored(batch, ~both).canvases, batch.canvases)


def test_what_cannot_be_learned_from_is_told() -> None:
    healthy = Rows([b"2", b"4"], np.zeros(2, np.int64), [np.zeros((0, 4))] * 2)
    with pytest.raises(GreenstickError, match="training rows are of one class"):
        fitted(healthy)
    restorer = Restorer(RestorerSettings(patch_px=8, width=8, scales=(1,)))
    two = TINY.model_copy(update={"classes": ("a", "b")})
    data = TrainingData(Bars(), rows(range(4)), rows(range(4)))
    with pytest.raises(GreenstickError, match="one class, and got 2"):
        fit_patch_residual(data, RECIPE, two, restorer)
    with pytest.raises(GreenstickError, match="no longer a number"):
        fit_patch_residual(data, RECIPE.model_copy(update={"lr": 1e30}), TINY, restorer)
