"""The contract that every detector keeps, whatever its network."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.models.card import Card, read_card
from greenstick.models.cells import STRIDES
from greenstick.models.checkpoint import save_checkpoint
from greenstick.models.classifier import build_classifier
from greenstick.models.detector import Detections, Detector, build_detector
from greenstick.models.detector_checkpoint import load_detector, save_detector
from greenstick.models.detector_head import cell_centers
from greenstick.models.detector_settings import DetectorCard, DetectorSettings, read_detector_card
from greenstick.models.settings import ClassifierSettings

COCO = Path(__file__).resolve().parents[3] / "shared" / "weights" / "yolox_nano.coco.onnx"
needs_coco = pytest.mark.skipif(not COCO.is_file(), reason="COCO weights are not at hand")

NETWORKS = {
    "timm": DetectorSettings(backbone="test_efficientnet", weights="none", width=16, depth=1),
    "yolox": DetectorSettings(backbone="yolox_nano", weights="none"),
    "three classes": DetectorSettings(
        backbone="test_efficientnet", weights="none", width=16, depth=1, classes=("a", "b", "c")
    ),
}


@pytest.fixture(params=NETWORKS)
def model(request: pytest.FixtureRequest) -> Detector:
    torch.manual_seed(0)
    return build_detector(NETWORKS[request.param]).eval()


def card_of(model: Detector, **values: object) -> DetectorCard:
    return DetectorCard(name="mine", detector=model.settings, canvas_px=64, **values)


def test_each_cell_gives_a_box_and_a_logit_for_each_class(model: Detector) -> None:
    with torch.no_grad():
        boxes, logits, look = model(torch.rand(2, 1, 64, 96))
    cells = sum((64 // s) * (96 // s) for s in STRIDES)
    assert boxes.shape == (2, cells, 4)
    assert logits.shape == (2, cells, len(model.settings.classes))
    assert look.shape[0] == 2
    assert bool((boxes[..., 2:] > boxes[..., :2]).all())


def test_boxes_lie_about_their_cells(model: Detector) -> None:
    with torch.no_grad():
        boxes, *_ = model(torch.zeros(1, 1, 64, 64))
    centers = torch.cat([cell_centers(torch.zeros(1, 1, 64 // s, 64 // s), s) for s in STRIDES])
    middles = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
    strides = torch.cat([torch.full(((64 // s) ** 2, 1), float(s)) for s in STRIDES])
    assert bool(((middles - centers).abs() < 4 * strides).all())


def test_a_checkpoint_comes_back_and_its_onnx_agrees(model: Detector, tmp_path: Path) -> None:
    save_detector(tmp_path, model, card_of(model, license="CC BY 4.0"))
    again, card = load_detector(tmp_path)
    images = torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        expected, found = model(images), again(images)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    boxes, logits, look = session.run(Detections._fields, {"images": images.numpy()})
    np.testing.assert_allclose(look, expected.look, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(logits, expected.logits, rtol=1e-4, atol=1e-4)
    assert (card.kind, card.license, card.research_use) == ("detector", "CC BY 4.0", RESEARCH_USE)
    assert card.weights_origin == "from scratch"


def test_freezing_leaves_the_head_alone(model: Detector) -> None:
    model.freeze(None)
    thawed = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert thawed == {"head"}
    model.freeze(0)
    assert all(p.requires_grad for p in model.parameters())


def test_first_stages_are_frozen_by_number(model: Detector) -> None:
    model.freeze(2)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    model.freeze(3)
    more = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen
    assert frozen < more
    assert all(name.startswith("backbone.") for name in more)


def test_a_classifier_is_a_start(tmp_path: Path) -> None:
    torch.manual_seed(1)
    settings = ClassifierSettings(backbone="test_efficientnet", weights="none")
    classifier = build_classifier(settings)
    save_checkpoint(
        tmp_path, classifier, Card(name="seen", classifier=settings, canvas_px=64), onnx=False
    )
    start = DetectorSettings(backbone="test_efficientnet", weights=str(tmp_path), width=16)
    model = build_detector(start)
    own, given = model.backbone.state_dict(), classifier.backbone.state_dict()
    assert all(torch.equal(own[f"backbone.{name}"], value) for name, value in given.items())
    assert model.origin == "the classifier 'seen' (from scratch)"
    with pytest.raises(GreenstickError, match="not over resnet18"):
        build_detector(start.model_copy(update={"backbone": "resnet18"}))


@pytest.mark.parametrize("classes", [(), ("a", "a"), ("a", "")])
def test_classes_are_named_once(classes: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        DetectorSettings(classes=classes)


def test_a_backbone_without_stages_is_refused() -> None:
    with pytest.raises(GreenstickError, match="no stages of strides 8, 16 and 32"):
        build_detector(DetectorSettings(backbone="test_vit", weights="none"))


def test_cards_of_other_kinds_are_refused(tmp_path: Path) -> None:
    model = build_detector(NETWORKS["timm"])
    save_detector(tmp_path, model, card_of(model), onnx=False)
    with pytest.raises(GreenstickError, match="holds a detector"):
        read_card(tmp_path)
    with pytest.raises(GreenstickError, match="There is no detector"):
        read_detector_card(tmp_path / "absent")
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(GreenstickError, match="not the card of a detector"):
        read_detector_card(tmp_path)


def test_other_files_are_no_yolox(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"no protobuf at all")
    for name, said in (("other.onnx", "is no YOLOX-nano"), ("absent.onnx", "no weights file")):
        settings = DetectorSettings(backbone="yolox_nano", weights=str(tmp_path / name))
        with pytest.raises(GreenstickError, match=said):
            build_detector(settings)


@needs_coco
def test_coco_weights_give_what_the_published_network_gives() -> None:
    model = build_detector(DetectorSettings(backbone="yolox_nano", weights=str(COCO))).eval()
    images = torch.rand(1, 1, 416, 416)
    with torch.no_grad():
        boxes, logits, _ = model(images)
    session = onnxruntime.InferenceSession(COCO)
    (theirs,) = session.run(None, {"images": (images.expand(-1, 3, -1, -1) * 255).numpy()})
    np.testing.assert_allclose(torch.sigmoid(logits)[0, :, 0], theirs[0, :, 4], atol=1e-5)
    strides = np.concatenate([np.full((416 // s) ** 2, s) for s in STRIDES])
    sides = (boxes[0, :, 2:] - boxes[0, :, :2]).numpy()
    np.testing.assert_allclose(np.log(sides / strides[:, None]), theirs[0, :, 2:4], atol=1e-3)
    assert "COCO" in model.origin
    two = DetectorSettings(backbone="yolox_nano", weights=str(COCO), classes=("one", "other"))
    with torch.no_grad():
        same, each, _ = build_detector(two).eval()(images)
    torch.testing.assert_close(same, boxes)
    torch.testing.assert_close(each, logits.expand(-1, -1, 2))
