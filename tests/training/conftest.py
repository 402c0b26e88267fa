"""A drawn miniature cohort in a pixel store: bright squares are fractures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from greenstick.cohorts.pixels import PixelStore, open_pixel_store
from greenstick.models.settings import ClassifierSettings
from greenstick.training.recipe import Augmentation, Recipe
from greenstick.training.samples import Rows, TrainingData

CANVAS_PX = 48


@dataclass(frozen=True)
class Miniature:
    store: PixelStore
    rows: Rows

    def some(self, start: int, stop: int) -> Rows:
        rows = self.rows
        return Rows(rows.keys[start:stop], rows.labels[start:stop], rows.boxes[start:stop])

    def data(self, train: int = 24, valid: int = 12) -> TrainingData:
        return TrainingData(self.store, self.some(0, train), self.some(train, train + valid))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    folder: Path = tmp_path_factory.mktemp("miniature")
    rng = np.random.default_rng(5)
    store = open_pixel_store(folder / "cache", CANVAS_PX)
    paths, labels, boxes = [], [], []
    for index in range(60):
        pixels = rng.integers(0, 90, (CANVAS_PX, 40), dtype=np.uint8)
        x, y = rng.integers(2, 26, 2)
        fracture = index % 2 == 1
        if fracture:
            pixels[y : y + 12, x : x + 12] = 240
        boxes.append(np.array([[x, y, 12, 12]] if fracture else [], float).reshape(-1, 4))
        labels.append(int(fracture))
        paths.append(folder / f"{index}.png")
        Image.fromarray(pixels).save(paths[-1])
    keys = store.add(paths, workers=1).keys
    on_canvas = [store.placement(k).to_canvas(b) for k, b in zip(keys, boxes, strict=True)]
    return Miniature(store, Rows(keys, np.array(labels, dtype=np.int64), on_canvas))


@pytest.fixture
def tiny() -> ClassifierSettings:
    return ClassifierSettings(backbone="test_efficientnet", weights="none", dropout=0.1)


@pytest.fixture
def short() -> Recipe:
    return Recipe(
        canvas_px=CANVAS_PX,
        epochs=3,
        batch_size=8,
        lr=2e-3,
        precision="32",
        augmentation=Augmentation(rotate_degrees=5.0),
    )
