from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from greenstick.models.card import NETWORK, Card, CardOperatingPoint
from greenstick.models.checkpoint import load_checkpoint, save_checkpoint
from greenstick.models.classifier import Classifier, build_classifier
from greenstick.models.ensemble import Ensemble
from greenstick.models.patch_residual import PatchResidual
from greenstick.models.patch_restorer import Restorer, residuals
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.reader import Reader

CANVAS_PX = 64
SETTINGS = RestorerSettings(patch_px=8, width=8, scales=(1, 2))


def build(head: str = "cells") -> Classifier:
    torch.manual_seed(0)
    settings = ClassifierSettings.model_validate(
        {"backbone": "test_efficientnet", "weights": "none", "head": head, "pooling": "highest",
         "restorer": SETTINGS}
    )  # fmt: skip
    return build_classifier(settings).eval()


def channels(model: Classifier) -> PatchResidual:
    assert model.residual is not None
    return model.residual


@torch.no_grad()
def test_it_begins_with_picture_restoration_and_departure() -> None:
    images, front = torch.rand(2, 1, CANVAS_PX, CANVAS_PX), channels(build())
    restored, departed = residuals(front.restorer, images)
    seen = front(images)
    assert torch.allclose(seen[:, :1], images, atol=1e-6)
    assert torch.allclose(seen[:, 1], restored.mean(dim=1), atol=1e-6)
    assert torch.allclose(seen[:, 2], 0.5 + 4.0 * departed.mean(dim=1), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("head", ["cells", "linear"])
def test_the_images_score_is_its_highest_cell(head: str) -> None:
    model = build(head)
    answer = model(torch.rand(3, 1, CANVAS_PX, CANVAS_PX))
    assert torch.equal(answer.logits[:, 0], answer.maps.flatten(1).max(dim=1).values)
    model.head.shift_logits(torch.tensor([-2.0]))
    lower = model(torch.rand(3, 1, CANVAS_PX, CANVAS_PX))
    assert torch.equal(lower.logits[:, 0], lower.maps.flatten(1).max(dim=1).values)


def test_the_restorer_does_not_learn_fractures() -> None:
    model = build().train()
    other = Restorer(SETTINGS)
    channels(model).take(other)
    model.freeze(0)
    model(torch.rand(2, 1, CANVAS_PX, CANVAS_PX)).logits.sum().backward()
    taken = channels(model).restorer
    assert all(each.grad is None for each in taken.parameters())
    assert all(
        torch.equal(mine, given)
        for mine, given in zip(taken.parameters(), other.parameters(), strict=True)
    )
    assert channels(model).mix.weight.grad is not None


def test_a_reader_runs_it_as_any_other(tmp_path: Path) -> None:
    model = build()
    point = CardOperatingPoint(threshold=0.5, rule="youden", chosen_on="valid", n=9)
    card = Card(
        name="mpr", classifier=model.settings, canvas_px=CANVAS_PX, operating_points=(point,)
    )
    folder = save_checkpoint(tmp_path / "mpr", model, card)
    again, told = load_checkpoint(folder)
    assert told.classifier.restorer == SETTINGS
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


@torch.no_grad()
def test_several_of_them_answer_as_one() -> None:
    members = [build(), build()]
    images = torch.rand(2, 1, CANVAS_PX, CANVAS_PX)
    assert torch.allclose(Ensemble(members)(images).logits, members[0](images).logits, atol=1e-6)


def test_a_network_without_a_restorer_is_told_of_as_before() -> None:
    assert "restorer" not in ClassifierSettings().model_dump()
    assert ClassifierSettings.model_validate({"restorer": "none"}).restorer is None
