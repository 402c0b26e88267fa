from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.experiments import exporting
from greenstick.experiments.exporting import export_model
from greenstick.models.card import Card, read_card
from greenstick.models.checkpoint import save_checkpoint
from greenstick.models.classifier import build_classifier
from greenstick.models.detector import build_detector
from greenstick.models.detector_checkpoint import save_detector
from greenstick.models.detector_settings import (
    DetectorCard,
    DetectorSettings,
    read_detector_card,
)
from greenstick.models.familiar import learn_familiar, read_familiar, write_familiar
from greenstick.models.settings import ClassifierSettings
from greenstick.radiographs.canvas import as_images
from greenstick.reading.boxes import compiled


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build_classifier(ClassifierSettings(backbone="test_resnet", weights="none")).eval()
    card = Card(name="small", classifier=network.settings, canvas_px=64)
    return save_checkpoint(tmp_path_factory.mktemp("model"), network, card, onnx=False)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 255, (80, 70)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "films" / f"{n}.png")
    (tmp_path / "films" / "notes.txt").write_text("no film")
    return tmp_path / "films"


def test_bfloat16_is_stated_on_the_card_and_measured(
    model: Path, films: Path, tmp_path: Path
) -> None:
    exported = export_model(model, "openvino-bf16", tmp_path / "out", images=films)
    card = read_card(tmp_path / "out")
    assert card.precision == "bf16"
    assert card.model_copy(update={"precision": "f32"}) == read_card(model)
    assert exported.differences["logits"] < 0.1
    plain = export_model(model, "openvino", tmp_path / "plain", images=films)
    assert plain.differences["logits"] < exported.differences["logits"]


@pytest.mark.parametrize(("to", "file"), [("torchscript", "model.pt")])
def test_an_export_is_checked_on_films_and_has_its_card(
    to: str, file: str, model: Path, films: Path, tmp_path: Path
) -> None:
    exported = export_model(model, to, tmp_path / "out", images=films)
    assert exported.path == tmp_path / "out" / file
    assert exported.n_images == 3
    assert exported.differences["logits"] < 1e-4
    assert read_card(tmp_path / "out") == read_card(model)


def test_a_network_that_says_something_else_is_not_left(
    model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "check_export", lambda *_, **__: {"logits": 0.5, "maps": 0.5})
    with pytest.raises(GreenstickError, match="logits differ by"):
        export_model(model, "torchscript", tmp_path / "out", images=films)
    assert not (tmp_path / "out" / "model.pt").exists()
    assert not (tmp_path / "out" / "card.json").exists()


def test_wrong_formats_and_missing_films_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="no format 'tensorrt'"):
        export_model(model, "tensorrt", tmp_path / "out")
    (tmp_path / "model.onnx").touch()
    with pytest.raises(GreenstickError, match="would be read in place of the export"):
        export_model(model, "openvino", tmp_path)
    with pytest.raises(GreenstickError, match="no radiographs to check"):
        export_model(model, "onnx", tmp_path / "out")


@pytest.mark.slow
def test_a_detector_is_exported_quantized_and_found_with(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = DetectorSettings(backbone="test_efficientnet", weights="none", width=16, depth=1)
    made = build_detector(settings).eval()
    card = DetectorCard(name="small", detector=settings, canvas_px=64)
    folder = save_detector(tmp_path / "detector", made, card)
    (tmp_path / "films").mkdir()
    for n in range(34):
        pixels = np.random.default_rng(n).integers(0, 255, (64, 64)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "films" / f"{n}.png")
    canvas = np.asarray(Image.open(tmp_path / "films" / "0.png"))
    films = [np.asarray(Image.open(path)) for path in (tmp_path / "films").iterdir()]
    shown = as_images(np.stack(films))
    looks = compiled(folder, card)(shown).look
    known = learn_familiar(looks, looks, chosen_on="valid")
    write_familiar(folder, known)
    plain = compiled(folder, card)(canvas[None, None].astype(np.float32) / np.float32(255))
    for to, bound in (("openvino-bf16", 0.2), ("openvino-int8", 1.0)):
        if to == "openvino-int8":
            pytest.importorskip("nncf")
        exported = export_model(folder, to, tmp_path / to, images=tmp_path / "films")
        assert exported.differences["logits"] < bound
        told = read_detector_card(tmp_path / to)
        assert told.precision == ("bf16" if to == "openvino-bf16" else "f32")
        found = compiled(tmp_path / to, told)(canvas[None, None].astype(np.float32) / 255)
        np.testing.assert_allclose(found[1], plain[1], atol=bound)
        seen_so, there = compiled(tmp_path / to, told)(shown).look, read_familiar(tmp_path / to)
        assert np.median(there.distance(seen_so)) < 1.1 * np.median(known.distance(looks))
        assert (there.distance(seen_so) > 1.5).mean() < 0.1
    for to in ("onnx", "torchscript"):
        with pytest.raises(GreenstickError, match="A detector is not exported to"):
            export_model(folder, to, tmp_path / to, images=tmp_path / "films")
