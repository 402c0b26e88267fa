import json

import pytest
import torch

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.models.card import (
    Card,
    CardCalibration,
    CardOperatingPoint,
    TrainedOn,
    read_card,
    write_card,
)
from greenstick.models.checkpoint import load_checkpoint, save_checkpoint
from greenstick.models.classifier import build_classifier
from greenstick.models.settings import ClassifierSettings


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_classifier(ClassifierSettings(backbone="test_efficientnet", weights="none"))


def card_of(model, **values) -> Card:
    return Card(name="mine", classifier=model.settings, canvas_px=64, **values)


def test_a_card_comes_back_whole(model, tmp_path):
    card = card_of(
        model,
        flip_average=True,
        calibration=CardCalibration(temperature=1.7, fitted_on="validation", n=40),
        operating_points=[
            CardOperatingPoint(threshold=0.31, rule="youden", chosen_on="validation", n=40)
        ],
        training_data=TrainedOn(fingerprint="ab", n_images=9, n_patients=4, n_positive=2),
        license="CC BY 4.0",
    )
    save_checkpoint(tmp_path, model, card, onnx=False)
    read = load_checkpoint(tmp_path)[1]
    assert read.calibration == card.calibration
    assert read.operating_points == card.operating_points
    assert read.training_data == card.training_data
    assert (read.backbone, read.classes, read.pooling, read.temperature) == (
        "test_efficientnet",
        ("fracture",),
        "average",
        1.7,
    )
    assert read.mean == (0.485, 0.456, 0.406)
    assert read.weights_origin == "from scratch"
    assert json.loads((tmp_path / "card.json").read_text())["research_use"] == RESEARCH_USE


def test_classes_have_temperatures_and_thresholds_of_their_own(model, tmp_path):
    settings = model.settings.model_copy(update={"classes": ("a", "b"), "outputs": "any-of"})
    many = build_classifier(settings)
    point = CardOperatingPoint(
        threshold=0.2, class_name="b", rule="youden", chosen_on="validation", n=9
    )
    fitted = CardCalibration(temperatures=(1.5, 0.5), fitted_on="validation", n=9)
    card = card_of(many, calibration=fitted, operating_points=(point,))
    save_checkpoint(tmp_path, many, card, onnx=False)
    loaded, read = load_checkpoint(tmp_path)
    assert loaded.settings.outputs == "any-of"
    assert read.operating_points == (point,)
    assert [read.temperature_of(name) for name in "ab"] == [1.5, 0.5]
    assert card_of(many).temperature_of("a") == 1.0
    with pytest.raises(ValueError, match="one a class"):
        card_of(model, calibration=fitted)
    with pytest.raises(ValueError, match="no class 'b'"):
        card_of(model, operating_points=(point,))


def test_a_folder_without_a_card_is_no_model(model, tmp_path, monkeypatch):
    save_checkpoint(tmp_path, model, card_of(model), onnx=False)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("greenstick.models.parts.write_weights", die)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, model, card_of(model), onnx=False)
    with pytest.raises(GreenstickError, match="no model in"):
        load_checkpoint(tmp_path)


def test_a_damaged_or_foreign_part_is_told(model, tmp_path):
    save_checkpoint(tmp_path, model, card_of(model), onnx=False)
    other = read_card(tmp_path)
    settings = other.classifier.model_copy(update={"backbone": "test_resnet"})
    write_card(tmp_path, other.model_copy(update={"classifier": settings}))
    with pytest.raises(GreenstickError, match="does not hold the network"):
        load_checkpoint(tmp_path)
    write_card(tmp_path, other)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(GreenstickError, match="does not hold the network"):
        load_checkpoint(tmp_path)
    (tmp_path / "card.json").write_text('{"name": "x"}')
    with pytest.raises(GreenstickError, match="not a model card"):
        read_card(tmp_path)


def test_export_is_silent_and_leaves_the_model_training(model, tmp_path, capfd):
    model.train()
    save_checkpoint(tmp_path, model, card_of(model))
    assert model.training
    assert (tmp_path / "model.onnx").stat().st_size > 100_000
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "card.json",
        "model.onnx",
        "model.safetensors",
    ]
