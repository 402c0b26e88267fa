from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import cdist

from greenstick.errors import GreenstickError
from greenstick.models.card import NETWORK, Card, write_card
from greenstick.models.classifier import Prediction
from greenstick.models.departures import Departures, RestoredDepartures
from greenstick.models.departures_checkpoint import load_departures, save_departures
from greenstick.models.feature_memory import FeatureMemory, nearest
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.reader import Reader
from greenstick.training.peer_recipes import AutoencoderRecipe, DeparturesRecipe, MemoryRecipe
from greenstick.training.peers import (
    choose_covering,
    fit_autoencoder,
    fit_departures,
    fit_memory,
    scaled,
)

SIZE = 64
TINY = ClassifierSettings(backbone="test_efficientnet", weights="none")


class Bars:
    """Bars in noise; those of odd keys have a gap; key 0 to 99 are healthy where even."""

    canvas_px = SIZE

    def gather(self, keys: Sequence[bytes]) -> NDArray[Any]:
        return np.stack([draw(int(key)) for key in keys])


def draw(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    image = rng.integers(40, 60, (SIZE, SIZE)).astype(np.uint8)
    image[:, 24:40] += 120
    if seed % 2:
        image[32:40, 24:40] = 5
    return image


def keys(seeds: range) -> list[bytes]:
    return [str(seed).encode() for seed in seeds]


HEALTHY, HELD_BACK, TESTED = keys(range(0, 40, 2)), keys(range(100, 120, 2)), range(200, 212)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@torch.no_grad()
def answers(model: Departures) -> Prediction:
    images = torch.from_numpy(Bars().gather(keys(TESTED))[:, None] / np.float32(255))
    return model(images)


def check_ranks_gaps_and_sees_where(model: Departures) -> None:
    answer = answers(model)
    broken = np.array([seed % 2 == 1 for seed in TESTED])
    assert answer.logits[broken].min() > answer.logits[~broken].max()
    assert torch.equal(answer.logits, answer.maps.amax(dim=(2, 3)))
    side = answer.maps.shape[-1]
    for cells in answer.maps[broken][:, 0]:
        row, column = divmod(int(cells.argmax()), side)
        assert 28 <= (row + 0.5) * SIZE / side <= 44
        assert 18 <= (column + 0.5) * SIZE / side <= 46


def check_kept_as_it_is(model: Departures, folder: Path, *, onnx: bool) -> None:
    images = torch.from_numpy(Bars().gather(keys(range(3)))[:, None] / np.float32(255))
    card = Card(name="peer", classifier=TINY, canvas_px=SIZE)
    again, told = load_departures(save_departures(folder, model, card, onnx=onnx))
    with torch.no_grad():
        ours = model(images)
        assert torch.equal(again(images).maps, ours.maps)
    assert told.classifier.backbone in ("test_efficientnet", "autoencoder", "restored")
    if not onnx:
        return
    Image.fromarray(draw(1)).save(folder / "film.png")
    reading = Reader(folder, threads=1)(folder / "film.png")
    assert reading.probability == pytest.approx(float(torch.sigmoid(ours.logits[1])), abs=0.01)
    session = onnxruntime.InferenceSession(folder / NETWORK, providers=["CPUExecutionProvider"])
    logits, maps = session.run(["logits", "maps"], {"images": images.numpy()})
    # A healthy cell's distance is a small difference of large numbers, in units of a spread.
    assert logits == pytest.approx(ours.logits.numpy(), abs=1e-2)
    assert maps == pytest.approx(ours.maps.numpy(), abs=0.1)


def test_a_memory_of_healthy_features_ranks_gaps(tmp_path: Path) -> None:
    model = fit_memory(Bars(), HEALTHY, HELD_BACK, MemoryRecipe(features=100, seen=1000), TINY)
    check_ranks_gaps_and_sees_where(model)
    check_kept_as_it_is(model, tmp_path / "memory", onnx=True)
    again = fit_memory(Bars(), HEALTHY, HELD_BACK, MemoryRecipe(features=100, seen=1000), TINY)
    assert torch.equal(model.memory, again.memory)


def test_an_autoencoder_ranks_gaps(tmp_path: Path) -> None:
    recipe = AutoencoderRecipe(steps=150, batch=4, lr=5e-3, width=4, code=4)
    model = fit_autoencoder(Bars(), HEALTHY, HELD_BACK, recipe)
    check_ranks_gaps_and_sees_where(model)
    check_kept_as_it_is(model, tmp_path / "autoencoder", onnx=False)


def test_scores_of_healthy_images_have_mean_0_and_deviation_1() -> None:
    restorer = Restorer(RestorerSettings(patch_px=8, width=8, scales=(1,)))
    model = scaled(RestoredDepartures(restorer), Bars(), HELD_BACK)
    images = torch.from_numpy(Bars().gather(HELD_BACK)[:, None] / np.float32(255))
    with torch.no_grad():
        logits = model(images).logits[:, 0].numpy()
    assert logits.mean() == pytest.approx(0.0, abs=1e-4)
    assert logits.std() == pytest.approx(1.0, abs=1e-4)


def test_departures_are_in_units_of_what_healthy_films_show(tmp_path: Path) -> None:
    torch.manual_seed(0)
    restorer = Restorer(RestorerSettings(patch_px=8, width=8, scales=(1,)))
    recipe = DeparturesRecipe(steps=150, images=20, lr=1e-2)
    model = fit_departures(restorer, Bars(), HEALTHY, HELD_BACK, recipe)
    images = torch.from_numpy(Bars().gather(HELD_BACK)[:, None] / np.float32(255))
    with torch.no_grad():
        found, expected = model.found(images)[:, 0], model.expected(images)[:, 0].exp()
    # An untrained restorer departs along the edges of the bar, and that is what to expect.
    across, told = found.mean(dim=(0, 1)), expected.mean(dim=(0, 1))
    assert across.max() > 2.0 * across.min()
    assert told.numpy() == pytest.approx(across.numpy(), rel=0.25)
    check_ranks_gaps_and_sees_where(model)
    check_kept_as_it_is(model, tmp_path / "restored", onnx=False)


def test_a_line_through_the_logits_is_one_through_the_maps() -> None:
    model = RestoredDepartures(Restorer(RestorerSettings(patch_px=8, width=8, scales=(1,))))
    before = answers(model)
    model.answer_by(0.5, -2.0)
    after = answers(model)
    assert torch.allclose(after.maps, 0.5 * before.maps - 2.0, atol=1e-4)
    assert torch.allclose(after.logits, 0.5 * before.logits - 2.0, atol=1e-4)


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    write_card(tmp_path, Card(name="x", classifier=TINY, canvas_px=SIZE))
    with pytest.raises(GreenstickError, match="no model of healthy images alone"):
        load_departures(tmp_path)


def test_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    points, others = rng.normal(size=(30, 5)), rng.normal(size=(12, 5))
    found = nearest(torch.from_numpy(points), torch.from_numpy(others))
    assert found.numpy() == pytest.approx(cdist(points, others).min(axis=1))


def test_few_features_cover_all_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    # Nearly all features are alike; a choice by chance would miss the rare ones.
    features = np.concatenate([rng.normal(size=(500, 8)) * 0.01, 5.0 * np.eye(8)])
    generator = torch.Generator().manual_seed(0)
    chosen = choose_covering(torch.from_numpy(features).float(), 12, generator).numpy()
    assert len(set(chosen.tolist())) == 12
    assert set(range(500, 508)) <= set(chosen.tolist())
    assert len(choose_covering(torch.zeros(5, 8), 12, generator)) == 5


def test_the_backbone_of_a_memory_never_trains() -> None:
    model = fit_memory(Bars(), HEALTHY, HELD_BACK, MemoryRecipe(features=10, seen=100), TINY)
    assert not model.train().network.training
    assert not any(each.requires_grad for each in model.parameters())
    assert isinstance(model, FeatureMemory)


class Black(Bars):
    def gather(self, keys: Sequence[bytes]) -> NDArray[Any]:
        return np.zeros((len(keys), SIZE, SIZE), np.uint8)


def test_what_cannot_be_learned_from_is_told() -> None:
    with pytest.raises(GreenstickError, match="no healthy images"):
        fit_memory(Bars(), [], HELD_BACK, MemoryRecipe(), TINY)
    with pytest.raises(GreenstickError, match="no healthy images"):
        fit_autoencoder(Bars(), HEALTHY, [], AutoencoderRecipe())
    with pytest.raises(GreenstickError, match="all are black"):
        fit_memory(Black(), HEALTHY, HELD_BACK, MemoryRecipe(), TINY)
    with pytest.raises(GreenstickError, match="no longer a number"):
        fit_autoencoder(Bars(), HEALTHY, HELD_BACK, AutoencoderRecipe(lr=1e18, steps=20))
    with pytest.raises(GreenstickError, match="side of 8 px"):
        fit_memory(
            Bars(), HEALTHY, HELD_BACK, MemoryRecipe(),
            ClassifierSettings(backbone="test_vit", weights="none", image_px=SIZE),
        )  # fmt: skip
