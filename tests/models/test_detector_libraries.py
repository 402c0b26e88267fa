"""Detectors of other libraries keep the contract of the others, and give what they give there."""

import builtins
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, UnidentifiedImageError
from safetensors.torch import save_file
from torchvision.ops import box_convert

from greenstick.errors import GreenstickError
from greenstick.models import detector_backends
from greenstick.models.detector import Detections, Detector, build_detector
from greenstick.models.detector_backends import BACKENDS, backend_of, needed_backend
from greenstick.models.detector_checkpoint import load_detector, save_detector
from greenstick.models.detector_parts import TrueBatch
from greenstick.models.detector_settings import DetectorCard, DetectorSettings
from greenstick.openvino_core import openvino_core

CLASSES = ("wrist", "ankle")
PX = 64
TRUTH = TrueBatch(
    boxes=torch.tensor(
        [
            [[5.0, 5, 30, 30], [30, 20, 60, 60]],
            [[0.0, 0, 0, 0], [0, 0, 0, 0]],
            [[5.0, 6, 27, 60], [0, 0, 2, 2]],
        ]
    ),
    classes=torch.tensor([[0, 1], [0, 0], [1, 0]]),
    annotated=torch.tensor([True, True, False]),
)


def settings_of(backbone: str, weights: str = "none") -> DetectorSettings:
    if find_spec(backend_of(backbone).package) is None:  # ultralytics is imported with care, or not
        pytest.skip(f"{backend_of(backbone).package}, an extra, is not installed")
    return DetectorSettings(backbone=backbone, classes=CLASSES, weights=weights)


def drawn(backbone: str) -> Detector:
    settings = settings_of(backbone)
    torch.manual_seed(0)
    return build_detector(settings)


@pytest.fixture(scope="module", params=["yolov8n", "dfine_test", "rtdetr_test"])
def model(request: pytest.FixtureRequest) -> Detector:
    return drawn(request.param)


def card_of(model: Detector) -> DetectorCard:
    return DetectorCard(name="mine", detector=model.settings, canvas_px=PX)


def test_weights_come_back_and_nothing_is_written_twice(model: Detector, tmp_path: Path) -> None:
    save_detector(tmp_path, model.eval(), card_of(model), onnx=False)
    again, _ = load_detector(tmp_path)
    images = torch.rand(2, 1, PX, PX)
    with torch.no_grad():
        for one, other in zip(model(images), again(images), strict=True):
            torch.testing.assert_close(one, other)
    places = [value.data_ptr() for value in model.state_dict().values() if value.numel()]
    assert len(places) == len(set(places))


def test_the_loss_falls_and_reaches_every_weight(model: Detector) -> None:
    model.train()
    torch.manual_seed(1)
    images = torch.rand(3, 1, PX, PX)
    trained = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-3)
    losses = []
    for _ in range(4):
        torch.manual_seed(2)
        found, loss = model.judged(images, TRUTH)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(value.grad is not None for value in trained)
    assert found.logits.shape == (*found.boxes.shape[:2], len(CLASSES))


def test_images_without_known_boxes_teach_nothing(model: Detector) -> None:
    model.eval()
    images = torch.rand(3, 1, PX, PX)
    nobody = TrueBatch(TRUTH.boxes, TRUTH.classes, torch.zeros(3, dtype=torch.bool))
    two = TrueBatch(TRUTH.boxes[:2], TRUTH.classes[:2], TRUTH.annotated[:2])
    with torch.no_grad():
        assert float(model.judged(images, nobody)[1]) == 0.0
        found, loss = model.judged(images, TRUTH)
        torch.testing.assert_close(model.judged(images[:2], two)[1], loss)
        torch.testing.assert_close(found.boxes, model(images).boxes)


def test_first_stages_are_frozen_by_number(model: Detector) -> None:
    model.freeze(2)
    frozen = {name for name, p in model.backbone.named_parameters() if not p.requires_grad}
    model.freeze(None)
    more = {name for name, p in model.backbone.named_parameters() if not p.requires_grad}
    model.freeze(0)
    assert set() < frozen < more


def settled(model: Detector, *, px: int = PX, images: int = 16) -> Detector:
    """Return a detector whose cells differ clearly, as a trained one's do.

    Statistics of batch norms are taken from images: a fresh network says nearly the same of all
    cells, and which of them are the best queries is then left to rounding. They are taken from
    many: over four images the coarsest grids have 16 cells, some channel's spread comes out far
    too small, and on other images the division by it blows every rounding up twentyfold.
    """
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.rand(images, 1, px, px))
    return model.eval()


def exported(model: Detector, folder: Path, images: torch.Tensor) -> list[Detections]:
    """Return what ONNX Runtime and OpenVINO say of images with a detector's export."""
    px = images.shape[-1]
    save_detector(folder, model, card_of(model).model_copy(update={"canvas_px": px}))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    by_onnx = session.run(Detections._fields, {"images": images.numpy()})
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(folder / "model.onnx", "CPU", options)
    found = compiled({"images": images.numpy()})
    both = (by_onnx, [found[name] for name in Detections._fields])
    return [Detections(*(torch.from_numpy(np.array(one)) for one in each)) for each in both]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["yolov8n", "dfine_test", "rtdetr_test"])
def test_the_export_agrees(backbone: str, tmp_path: Path) -> None:
    model = settled(drawn(backbone))
    images = torch.rand(3, 1, PX, PX)
    with torch.no_grad():
        expected = model(images)
    for boxes, logits, look in exported(model, tmp_path, images):
        np.testing.assert_allclose(look, expected.look, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(boxes / PX, expected.boxes / PX, atol=1e-4)
        np.testing.assert_allclose(logits, expected.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["dfine_n", "rtdetr_v2_r18"])
def test_the_export_of_a_published_set_agrees(backbone: str, tmp_path: Path) -> None:
    """Queries of nearly equal score may change places, so each is sought among the export's."""
    px = 256  # as many cells as queries, and a few more
    model = settled(drawn(backbone), px=px, images=8)
    images = torch.rand(1, 1, px, px)
    with torch.no_grad():
        expected = model(images)
    wanted = torch.cat([expected.boxes / px, expected.logits], dim=-1)[0]
    for found in exported(model, tmp_path, images):
        there = torch.cat([found.boxes / px, found.logits], dim=-1)[0]
        logits = torch.arange(wanted.shape[-1]) >= 4
        bound = 1e-4 + 1e-4 * wanted.abs() * logits
        agree = ((wanted[:, None] - there[None]).abs() <= bound[:, None]).all(-1)
        assert agree.any(1).all()
        assert agree.any(0).all()


def test_ultralytics_leaves_other_libraries_as_they_are(tmp_path: Path) -> None:
    drawn("yolov8n")
    (tmp_path / "film.png").write_bytes(b"no picture")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "film.png")
    assert torch.save.__module__ == "torch.serialization"


def test_yolo_gives_what_ultralytics_gives() -> None:
    model = drawn("yolov8n")
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG

    torch.manual_seed(0)
    theirs = DetectionModel("yolov8n.yaml", nc=len(CLASSES), verbose=False).eval()
    theirs.args = DEFAULT_CFG
    images = torch.rand(2, 1, 96, 64)
    with torch.no_grad():
        (expected, _), found = theirs(images.expand(-1, 3, -1, -1)), model.eval()(images)
    corners = box_convert(expected[:, :4].transpose(1, 2), "cxcywh", "xyxy")
    torch.testing.assert_close(found.boxes, corners, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(torch.sigmoid(found.logits), expected[:, 4:].transpose(1, 2))
    boxes = TRUTH.boxes[0] / torch.tensor([64.0, 96, 64, 96])
    batch = {
        "img": images.expand(-1, 3, -1, -1),
        "batch_idx": torch.zeros(2),
        "cls": TRUTH.classes[0][:, None].float(),
        "bboxes": box_convert(boxes, "xyxy", "cxcywh"),
    }
    truth = TrueBatch(TRUTH.boxes[:2], TRUTH.classes[:2], TRUTH.annotated[:2])
    with torch.no_grad():
        loss = theirs.loss(batch)[0].sum() / 2  # theirs counts each image
        torch.testing.assert_close(model.judged(images, truth)[1], loss)


@pytest.mark.parametrize("backbone", ["dfine_test", "rtdetr_v2_r18"])
def test_a_set_is_what_transformers_gives(backbone: str) -> None:
    model = drawn(backbone).eval()
    images = torch.rand(1, 1, 128, 128)
    unknown = TrueBatch(TRUTH.boxes[:1], TRUTH.classes[:1], torch.tensor([False]))
    with torch.no_grad():  # judging goes the library's own way
        expected, _ = model.judged(images, unknown)
        found = model(images)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)
    assert model.merge_iou == 1.0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("backbone", ["dfine_test", "rtdetr_test"])
def test_the_loss_of_a_set_is_what_transformers_gives(backbone: str, training: bool) -> None:
    model = drawn(backbone).train(training)
    from greenstick.models.detector_transformers import planned

    torch.manual_seed(0)
    kind, config, _ = planned(backbone, CLASSES)
    theirs = kind(config).train(training)
    images = torch.rand(2, 1, PX, PX)
    labels = [
        {
            "class_labels": TRUTH.of_image(image)[1],
            "boxes": box_convert(TRUTH.of_image(image)[0] / PX, "xyxy", "cxcywh"),
        }
        for image in range(2)
    ]
    truth = TrueBatch(TRUTH.boxes[:2], TRUTH.classes[:2], TRUTH.annotated[:2])
    torch.manual_seed(1)  # of what training adds at random
    expected = theirs(images.expand(-1, 3, -1, -1), labels=labels).loss
    torch.manual_seed(1)
    torch.testing.assert_close(model.judged(images, truth)[1], expected)


def test_a_small_canvas_is_refused() -> None:
    with pytest.raises(GreenstickError, match=r"fewer cells than this detector has queries \(300"):
        drawn("dfine_n")(torch.rand(1, 1, 64, 64))


def test_weights_are_taken_as_tensors_alone(tmp_path: Path) -> None:
    drawn("yolov8n")
    from ultralytics.nn.tasks import DetectionModel

    of_coco = DetectionModel("yolov8n.yaml", nc=80, verbose=False)
    save_file(of_coco.state_dict(), tmp_path / "n.safetensors")
    model = build_detector(settings_of("yolov8n", str(tmp_path / "n.safetensors")))
    own, given = model.backbone.state_dict(), of_coco.model.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in own.items())
    assert model.origin.startswith("n.safetensors: yolov8n, ")
    (tmp_path / "n.pt").write_bytes(b"\x80\x04.")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    for size, name, said in (
        ("yolov8s", "n.safetensors", "is not yolov8s"),
        ("yolov8n", "n.pt", "no safetensors file"),
        ("yolov8n", "absent.safetensors", "no weights file"),
        ("yolov8n", "broken.safetensors", "is damaged"),
    ):
        with pytest.raises(GreenstickError, match=said):
            build_detector(settings_of(size, str(tmp_path / name)))


def test_a_set_starts_from_a_folder_of_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from greenstick.models.detector_transformers import planned

    kind, config, _ = planned("dfine_test", tuple("abcdefgh"))
    torch.manual_seed(3)
    kind(config).save_pretrained(tmp_path / "tiny")
    model = build_detector(settings_of("dfine_test", str(tmp_path / "tiny")))
    torch.manual_seed(3)
    given = kind(config).model.backbone.model.state_dict()
    own = model.backbone.network.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in own.items())
    assert model.origin == "tiny: dfine_test, without its classes"
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    for backbone, folder, said in (
        ("dfine_test", "pickled", "no model.safetensors"),
        ("dfine_n", "tiny", "is not dfine_n"),
    ):
        with pytest.raises(GreenstickError, match=said):
            build_detector(settings_of(backbone, str(tmp_path / folder)))


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.extra)
def test_an_extra_that_is_missing_is_named(
    backend: detector_backends.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_backends, "find_spec", lambda _: None)
    for backbone in backend.backbones:
        with pytest.raises(GreenstickError) as caught:
            needed_backend(backbone)
        assert caught.value.remedy == f"pip install 'greenstick[{backend.extra}]'"
        with pytest.raises(GreenstickError, match="is not installed"):
            build_detector(DetectorSettings(backbone=backbone))


def test_the_core_imports_neither_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def guarded(name: str, *args: object, **kwargs: object) -> object:
        assert name.partition(".")[0] not in ("ultralytics", "transformers"), name
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", guarded)
    model = build_detector(DetectorSettings(backbone="yolox_nano", weights="none")).eval()
    assert isinstance(model(torch.rand(1, 1, 32, 32)), Detections)


def documented_parameters() -> list[tuple[str, str]]:
    """Return each network of a library with its millions of parameters, as the docs' table says."""
    page = Path(__file__).resolve().parents[2] / "docs" / "detection.md"
    rows = [line.split("|") for line in page.read_text().splitlines() if line.startswith("| `")]
    pairs: list[tuple[str, str]] = []
    for row in rows:
        names = re.findall(r"`(\w+)`", row[1])
        if names and all(backend_of(name) for name in names):
            millions = re.findall(r"([\d.]+) M\b", row[2])
            pairs += zip(names, millions, strict=True)
    return pairs


@pytest.mark.parametrize(("backbone", "millions"), documented_parameters())
def test_networks_have_as_many_parameters_as_the_docs_say(backbone: str, millions: str) -> None:
    count = sum(value.numel() for value in drawn(backbone).parameters()) / 1e6
    digits = len(millions.partition(".")[2])
    assert f"{count:.{digits}f}" == millions


def test_the_docs_count_every_published_network() -> None:
    told = {name for name, _ in documented_parameters()}
    trained = {name for one in BACKENDS for name in one.backbones}
    assert told == trained - {"dfine_test", "rtdetr_test"}
