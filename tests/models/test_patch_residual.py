from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.models.card import NETWORK, Card, CardOperatingPoint
from greenstick.models.classifier import build_classifier
from greenstick.models.patch_checkpoint import (
    RESTORER,
    load_patch_residual,
    save_patch_residual,
)
from greenstick.models.patch_residual import PatchResidual
from greenstick.models.patch_restorer import Restorer, residuals
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.reader import Reader

CANVAS_PX = 64


@pytest.fixture
def model() -> PatchResidual:
    torch.manual_seed(0)
    restorer = Restorer(RestorerSettings(patch_px=8, width=8, scales=(1, 2)))
    settings = ClassifierSettings(backbone="test_efficientnet", weights="none")
    return PatchResidual(restorer, build_classifier(settings)).eval()


@torch.no_grad()
def test_it_begins_with_picture_restoration_and_departure(model: PatchResidual) -> None:
    images = torch.rand(2, 1, CANVAS_PX, CANVAS_PX)
    restored, departed = residuals(model.restorer, images)
    seen = model.mix(torch.cat([images, restored, departed], dim=1))
    assert torch.allclose(seen[:, :1], images, atol=1e-6)
    assert torch.allclose(seen[:, 1], restored.mean(dim=1), atol=1e-6)
    assert torch.allclose(seen[:, 2], 0.5 + 4.0 * departed.mean(dim=1), atol=1e-6)


@torch.no_grad()
def test_the_images_score_is_its_highest_cell(model: PatchResidual) -> None:
    answer = model(torch.rand(3, 1, CANVAS_PX, CANVAS_PX))
    assert answer.maps.shape == (3, 1, 2, 2)
    assert torch.equal(answer.logits[:, 0], answer.maps.flatten(1).max(dim=1).values)


def test_the_restorer_does_not_learn_fractures(model: PatchResidual) -> None:
    model.train()
    model(torch.rand(2, 1, CANVAS_PX, CANVAS_PX)).logits.sum().backward()
    assert all(each.grad is None for each in model.restorer.parameters())
    assert model.mix.weight.grad is not None


def test_a_reader_runs_it_as_any_other(model: PatchResidual, tmp_path: Path) -> None:
    point = CardOperatingPoint(threshold=0.5, rule="youden", chosen_on="valid", n=9)
    card = Card(
        name="mpr", classifier=model.classifier.settings, canvas_px=CANVAS_PX,
        operating_points=(point,),
    )  # fmt: skip
    folder = save_patch_residual(tmp_path / "mpr", model, card)
    again, told = load_patch_residual(folder)
    assert told.classifier.backbone == "test_efficientnet"
    images = torch.rand(3, 1, CANVAS_PX, CANVAS_PX)
    with torch.no_grad():
        ours = model(images)
        assert torch.equal(again(images).maps, ours.maps)
    session = onnxruntime.InferenceSession(folder / NETWORK, providers=["CPUExecutionProvider"])
    logits, maps = session.run(["logits", "maps"], {"images": images.numpy()})
    assert logits == pytest.approx(ours.logits.numpy(), abs=1e-4)
    assert maps == pytest.approx(ours.maps.numpy(), abs=1e-4)
    pixels = np.rint(images[0, 0].numpy() * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    reading = Reader(folder, threads=1)(tmp_path / "film.png")
    with torch.no_grad():
        expected = torch.sigmoid(
            model(torch.from_numpy(pixels[None, None] / np.float32(255))).logits
        )
    assert reading.probability == pytest.approx(float(expected), abs=1e-3)


def test_a_folder_without_its_restorer_is_told(model: PatchResidual, tmp_path: Path) -> None:
    card = Card(name="mpr", classifier=model.classifier.settings, canvas_px=CANVAS_PX)
    folder = save_patch_residual(tmp_path, model, card, onnx=False)
    (folder / RESTORER).unlink()
    with pytest.raises(GreenstickError, match="no restorer"):
        load_patch_residual(folder)
