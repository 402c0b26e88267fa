"""A detector learns, resumes, and is judged; assignment and loss by their definitions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from greenstick.cohorts.pixels import PixelStore, open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.models.cells import STRIDES
from greenstick.models.detector import Detections, build_detector
from greenstick.models.detector_head import cell_centers
from greenstick.models.detector_parts import TrueBatch
from greenstick.models.detector_settings import DetectorSettings
from greenstick.models.finding import Manner
from greenstick.models.merging import Merged
from greenstick.training.assignment import assign
from greenstick.training.detection import fit_detector
from greenstick.training.detection_losses import detection_loss
from greenstick.training.detection_score import average_precision
from greenstick.training.find import as_table, find_boxes
from greenstick.training.recipe import Augmentation, Recipe
from greenstick.training.samples import Rows, TrainingData

PX = 64
CPU = {"accelerator": "cpu"}
TINY = DetectorSettings(backbone="test_efficientnet", weights="none", width=16, depth=1)
SHORT = Recipe(
    canvas_px=PX,
    epochs=2,
    batch_size=8,
    lr=0.003,
    precision="32",
    ema_decay=0.8,
    augmentation=Augmentation(rotate_degrees=0, scale=0.05, exposure=0.1, noise=0.0),
)


@dataclass(frozen=True)
class Drawn:
    store: PixelStore
    rows: Rows

    def some(self, start: int, stop: int) -> Rows:
        rows = self.rows
        return Rows(rows.keys[start:stop], rows.labels[start:stop], rows.boxes[start:stop])

    def data(self, train: int = 48, valid: int = 16) -> TrainingData:
        return TrainingData(self.store, self.some(0, train), self.some(train, train + valid))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder: Path = tmp_path_factory.mktemp("boxes")
    rng = np.random.default_rng(3)
    store = open_pixel_store(folder / "cache", PX)
    paths, boxes = [], []
    for index in range(64):
        pixels = rng.integers(0, 60, (PX * 2, PX * 2), dtype=np.uint8)
        x, y = rng.integers(8, 80, 2)
        if index % 4:
            pixels[y : y + 32, x : x + 36] = 240
        boxes.append(np.array([[x, y, 36, 32]] if index % 4 else [], float).reshape(-1, 4))
        paths.append(folder / f"{index}.png")
        Image.fromarray(pixels).save(paths[-1])
    keys = store.add(paths, workers=1).keys
    on_canvas = [store.placement(k).to_canvas(b) for k, b in zip(keys, boxes, strict=True)]
    labels = np.array([int(len(b) > 0) for b in boxes], dtype=np.int64)
    return Drawn(store, Rows(keys, labels, on_canvas))


def test_it_stops_by_average_precision(drawn: Drawn, tmp_path: Path) -> None:
    patience, most = 2, 40
    recipe = SHORT.model_copy(update={"epochs": most, "lr": 0.008, "patience": patience})
    recipe = recipe.model_copy(update={"schedule": "constant"})
    result = fit_detector(drawn.data(24, 8), recipe, TINY, tmp_path, trainer_flags=CPU)
    found = result.history["valid_ap"].to_list()
    losses = result.history["valid_loss"].to_list()
    ranks = [(ap, -loss) for ap, loss in zip(found, losses, strict=True)]  # equal ones by the loss
    best = [ranks.index(max(ranks[: n + 1])) for n in range(len(ranks))]
    without = [n - at for n, at in enumerate(best)]
    assert len(found) < most
    assert without[-1] == patience > max(without[:-1])
    assert found[result.kept_epoch] == max(found) > found[0]


def test_it_learns_where_the_squares_are(drawn: Drawn, tmp_path: Path) -> None:
    recipe = SHORT.model_copy(update={"epochs": 9, "lr": 0.008})
    result = fit_detector(drawn.data(), recipe, TINY, tmp_path, trainer_flags=CPU)
    best = result.history.row(result.kept_epoch, named=True)
    assert best["valid_ap"] == result.history["valid_ap"].max() > 0.3
    valid = drawn.some(48, 64)
    found = find_boxes(result.model, drawn.store, valid.keys)
    truth = [
        drawn.store.placement(k).to_original(b)
        for k, b in zip(valid.keys, valid.boxes, strict=True)
    ]
    kinds = [valid.classes_of_boxes(i) for i in range(len(valid))]
    assert average_precision(truth, kinds, found) == pytest.approx(best["valid_ap"], abs=0.02)
    table = as_table([f"{i}" for i in range(16)], found)
    surest = table.sort("score", descending=True).row(0, named=True)
    true = truth[int(surest["image"])][0]
    np.testing.assert_allclose([surest[n] for n in ("x", "y", "width", "height")], true, atol=12)


def test_a_killed_training_goes_on_to_the_same_weights(drawn: Drawn, tmp_path: Path) -> None:
    class StoppedHereError(Exception):
        pass

    def stop(progress):  # type: ignore[no-untyped-def]
        if progress.epoch == 1:
            raise StoppedHereError

    data = drawn.data(16, 8)
    whole = fit_detector(data, SHORT, TINY, tmp_path / "whole", trainer_flags=CPU)
    with pytest.raises(StoppedHereError):
        fit_detector(data, SHORT, TINY, tmp_path / "cut", trainer_flags=CPU, progress=stop)
    again = fit_detector(data, SHORT, TINY, tmp_path / "cut", trainer_flags=CPU)
    others = again.model.state_dict()
    assert all(torch.equal(v, others[n]) for n, v in whole.model.state_dict().items())


def test_mirrors_are_averaged_cell_by_cell(drawn: Drawn) -> None:
    torch.manual_seed(0)
    model, keys = build_detector(TINY), drawn.rows.keys[:2]
    found = find_boxes(model, drawn.store, keys, Manner(flip=True))
    again = find_boxes(model, drawn.store, keys, Manner(flip=True), batch=1)
    plain = find_boxes(model, drawn.store, keys)
    for one, other, alone in zip(found, again, plain, strict=True):
        np.testing.assert_allclose(one.corners, other.corners, atol=1e-2)
        assert not np.allclose(one.scores[:5], alone.scores[:5], rtol=1e-6)


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"crop_px": 48}, "cannot take recipe.crop_px = 48"),
        ({"canvas_px": 96}, "canvases of 64"),
        ({"crop_px": 96}, "Crops of 96 px do not fit a canvas of 64 px"),
    ],
)
def test_sides_that_do_not_fit_are_refused(
    update: dict[str, int], said: str, drawn: Drawn, tmp_path: Path
) -> None:
    with pytest.raises(GreenstickError, match=said):
        fit_detector(drawn.data(), SHORT.model_copy(update=update), TINY, tmp_path)


def test_without_boxes_nothing_is_learned(drawn: Drawn, tmp_path: Path) -> None:
    rows = drawn.some(0, 8)
    none = TrainingData(drawn.store, rows, Rows(rows.keys, rows.labels, [None] * 8))
    with pytest.raises(GreenstickError, match="no boxes on the validation images"):
        fit_detector(none, SHORT, TINY, tmp_path)


def cells() -> tuple[torch.Tensor, torch.Tensor]:
    centers = [cell_centers(torch.zeros(1, 1, PX // s, PX // s), s) for s in STRIDES]
    strides = [torch.full((len(c),), float(s)) for c, s in zip(centers, STRIDES, strict=True)]
    return torch.cat(centers), torch.cat(strides)


def test_cells_inside_a_box_give_it_and_the_best_fitting_grid_most() -> None:
    centers, strides = cells()
    boxes = torch.tensor([[4.0, 4.0, 36.0, 36.0], [50.0, 50.0, 52.0, 52.0]])
    number = assign(centers, strides, boxes)
    mine = torch.nonzero(number == 0)[:, 0]
    inside = ((centers[mine] > 4) & (centers[mine] < 36)).all(1)
    assert len(mine) > 1
    assert bool(inside.all())
    assert bool((strides[mine] == 8).all())  # a square of 4 strides is as large as the box
    nearest = (centers - 51.0).norm(dim=1).argmin()
    assert torch.nonzero(number == 1)[:, 0].tolist() == [int(nearest)]
    assert bool((assign(centers, strides, boxes[:0]) == -1).all())


def test_the_loss_is_least_where_boxes_and_scores_are_right() -> None:
    centers, strides = cells()
    true = torch.tensor([[[4.0, 4.0, 36.0, 36.0], [0.0, 0.0, 0.0, 0.0]]])
    number = assign(centers, strides, true[0, :1])
    right = true[:, :1].expand(1, len(centers), 4)
    mine = (number >= 0)[:, None] & torch.tensor([False, True])
    sure = torch.where(mine, 9.0, -9.0)[None]
    known, kinds = torch.tensor([True]), torch.tensor([[1, 0]])

    def loss(boxes: torch.Tensor, logits: torch.Tensor, annotated: torch.Tensor = known) -> float:
        truth = TrueBatch(true, kinds, annotated)
        return float(detection_loss(Detections(boxes, logits, torch.zeros(1, 2)), truth, PX))

    best = loss(right, sure)
    assert best == pytest.approx(0, abs=1e-3)
    assert loss(right + 4, sure) > best + 0.1
    assert loss(right, -sure) > best + 0.1
    assert loss(right, sure.flip(2)) > best + 0.1  # sure of the other class
    assert loss(right + 4, -sure, torch.tensor([False])) == 0.0


def test_average_precision_of_known_boxes() -> None:
    truth = [np.array([[0.0, 0, 10, 10]]), np.zeros((0, 4))]
    hit = Merged(np.array([[0.0, 0, 10, 10]]), np.array([0.9]), np.array([2]))
    miss = Merged(np.array([[50.0, 50, 60, 60]]), np.array([0.95]), np.array([2]))
    nothing = hit.take(np.array([False]))
    kinds, none = np.array([2]), np.zeros(0, np.int64)
    assert average_precision(truth, [kinds, none], [hit, nothing]) == 1.0
    assert average_precision(truth, [kinds, none], [hit, miss]) == pytest.approx(0.5)
    assert average_precision(truth, [kinds, none], [nothing, nothing]) == 0.0
    assert np.isnan(average_precision(truth[1:], [none], [miss]))
    both = [np.concatenate([truth[0], truth[0] + 20]), truth[1]]
    # The class that nobody found counts as the one that was, and one without true boxes does not.
    assert average_precision(both, [np.array([2, 0]), none], [hit, miss]) == pytest.approx(0.25)
    assert average_precision(truth, [np.array([0]), none], [hit, nothing]) == 0.0


def test_boxes_reach_the_original_and_stay_on_it(drawn: Drawn) -> None:
    torch.manual_seed(0)
    found = find_boxes(build_detector(TINY), drawn.store, drawn.rows.keys[:3])
    for one in found:
        assert one.corners.min() >= 0
        assert one.corners.max() <= PX * 2
