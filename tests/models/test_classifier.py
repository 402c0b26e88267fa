"""The contract that every backbone passes, and what a classifier does besides."""

import math
import time

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from greenstick.errors import GreenstickError
from greenstick.models import classifier as classifiers
from greenstick.models.card import Card
from greenstick.models.checkpoint import load_checkpoint, save_checkpoint
from greenstick.models.classifier import Classifier, build_classifier
from greenstick.models.export import export_onnx
from greenstick.models.settings import ClassifierSettings

SMALL = ["test_efficientnet", "test_resnet", "test_vit", "test_convnext", "test_byobnet"]
PUBLISHED = [
    "resnet18",
    "resnet50",
    "densenet121",
    "inception_v3",
    "efficientnet_b0",
    "mobilenetv3_small_100",
    "mobilenetv2_100",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "mobilevit_xxs",
]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def settings_of(backbone: str, **values) -> ClassifierSettings:
    return ClassifierSettings(backbone=backbone, weights="none", **values)


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits", "maps"], {"images": images.numpy()})


@pytest.fixture(
    scope="class",
    params=[*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED)],
)
def model(request) -> Classifier:
    torch.manual_seed(0)
    return build_classifier(settings_of(request.param)).eval()


class TestContract:
    @torch.no_grad()
    def test_odd_sizes_give_one_logit_and_a_grid_of_cells(self, model):
        for height, width in ((131, 97), (96, 128)):
            logits, maps = model(torch.rand(2, 1, height, width))
            assert logits.shape == (2, 1)
            assert logits.dtype == maps.dtype == torch.float32
            rows, columns = maps.shape[2:]
            assert maps.shape[:2] == (2, 1)
            assert 1 <= rows <= math.ceil(height / 8)
            assert 1 <= columns <= math.ceil(width / 8)

    @torch.no_grad()
    def test_the_logit_is_pooled_from_the_cells(self, model):
        logits, maps = model(torch.rand(2, 1, 96, 128))
        assert torch.allclose(logits, maps.mean(dim=(2, 3)), atol=1e-5)

    @torch.no_grad()
    def test_images_of_a_batch_do_not_touch_each_other(self, model):
        images = torch.rand(3, 1, 96, 96)
        together = model(images).logits
        alone = torch.cat([model(image[None]).logits for image in images])
        assert torch.allclose(together, alone, atol=1e-4)

    @torch.no_grad()
    def test_saved_loaded_and_exported_it_says_the_same(self, model, tmp_path):
        images = torch.rand(3, 1, 96, 96)
        expected = model(images)
        card = Card(name="contract", classifier=model.settings, canvas_px=96)
        loaded, _ = load_checkpoint(save_checkpoint(tmp_path, model, card, onnx=True))
        assert torch.equal(loaded(images).logits, expected.logits)
        assert torch.equal(loaded(images).maps, expected.maps)
        logits, maps = run_onnx(tmp_path / "model.onnx", images)
        # Untrained, some networks give logits in the millions.
        scale = max(1.0, float(expected.maps.abs().max()))
        np.testing.assert_allclose(logits, expected.logits.numpy(), atol=1e-4 * scale)
        np.testing.assert_allclose(maps, expected.maps.numpy(), atol=1e-4 * scale)

    def test_a_frozen_backbone_keeps_its_statistics(self, model):
        model.freeze(None)
        before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
        model.train()
        model(torch.rand(4, 1, 96, 96)).logits.sum().backward()
        after = model.backbone.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert all(parameter.grad is None for parameter in model.backbone.parameters())
        assert all(parameter.grad is not None for parameter in model.head.parameters())
        model.zero_grad()
        model.freeze(0)
        assert all(parameter.requires_grad for parameter in model.parameters())
        model.eval()

    def test_stages_freeze_from_the_stem_on(self, model):
        stages = model.count_stages()
        assert stages >= 3
        counts = []
        for frozen in range(stages + 1):
            model.freeze(frozen)
            counts.append(sum(not p.requires_grad for p in model.backbone.parameters()))
        assert counts == sorted(counts)
        assert counts[0] == 0
        assert counts[1] > 0
        assert counts[-1] == len(list(model.backbone.parameters()))
        model.freeze(0)
        model.eval()


def test_a_near_name_is_offered_for_an_unknown_backbone():
    with pytest.raises(GreenstickError, match=r"no backbone 'resnet81'.*resnet18"):
        Classifier(settings_of("resnet81"))


def test_a_backbone_without_a_grid_is_refused():
    model = Classifier(settings_of("test_vit"))
    with pytest.raises(GreenstickError, match="no spatial grid"):
        classifiers.to_grid(model.backbone, torch.zeros(1, 7, 64), 96, 96)


def test_swin_takes_the_size_that_it_was_built_for():
    settings = settings_of("swin_tiny_patch4_window7_224", image_px=64)
    with torch.no_grad():
        assert Classifier(settings).eval()(torch.rand(1, 1, 64, 64)).maps.shape == (1, 1, 2, 2)


def test_log_sum_exp_lies_between_mean_and_maximum_and_moves_with_sharpness():
    images = torch.rand(2, 1, 160, 160)
    pooled = {}
    for sharpness in (0.01, 5.0, 1e3):
        torch.manual_seed(3)
        settings = settings_of("test_resnet", pooling="log-sum-exp", sharpness=sharpness)
        model = Classifier(settings).eval()
        torch.nn.init.normal_(model.head.cell.weight, std=10.0)
        with torch.no_grad():
            logits, maps = model(images)
        pooled[sharpness] = logits[:, 0]
    cells = maps.flatten(1)
    spread = cells.amax(1) - cells.mean(1)
    assert bool(((pooled[0.01] - cells.mean(1)).abs() < 0.05 * spread).all())
    assert bool(((pooled[1e3] - cells.amax(1)).abs() < 0.05 * spread).all())
    assert bool((pooled[5.0] > pooled[0.01]).all())
    assert bool((pooled[5.0] < pooled[1e3]).all())


@pytest.mark.parametrize("head", ["pyramid", "cells"])
def test_a_pyramid_has_cells_of_half_the_size_and_exports(head, tmp_path):
    torch.manual_seed(0)
    settings = settings_of("test_efficientnet", head=head, classes=("a", "b"))
    model = build_classifier(settings).eval()
    images = torch.rand(3, 1, 96, 96)
    with torch.no_grad():
        expected = model(images)
        coarse = build_classifier(settings_of("test_efficientnet")).eval()(images)
    assert expected.maps.shape == (3, 2, 2 * coarse.maps.shape[2], 2 * coarse.maps.shape[3])
    logits, maps = run_onnx(export_onnx(model, 96, tmp_path / "pyramid.onnx"), images)
    np.testing.assert_allclose(logits, expected.logits.numpy(), atol=1e-4)
    np.testing.assert_allclose(maps, expected.maps.numpy(), atol=1e-4)


@torch.no_grad()
def test_cells_alone_decide_where_there_is_no_score_of_the_whole():
    torch.manual_seed(0)
    model = build_classifier(settings_of("test_efficientnet", head="cells", sharpness=2.0)).eval()
    torch.nn.init.normal_(model.head.cell.weight, std=1.0)
    images = torch.rand(3, 1, 96, 96)
    logits, maps = model(images)
    pooled = (torch.exp(2.0 * maps).sum(dim=(2, 3)) / 8).log() / 2.0
    assert torch.allclose(logits, pooled, atol=1e-4)
    assert not [name for name, _ in model.head.named_parameters() if name.startswith("whole")]
    model.head.shift_logits(torch.tensor([-0.7]))
    shifted, same = model(images)
    assert torch.allclose(shifted, logits - 0.7, atol=1e-5)
    assert torch.equal(same, maps)


def test_cells_drop_features_while_training_only():
    torch.manual_seed(0)
    model = build_classifier(settings_of("test_efficientnet", head="cells", dropout=0.5)).eval()
    model.freeze(None)
    images = torch.rand(1, 1, 96, 96)
    assert torch.equal(model(images).maps, model(images).maps)
    model.train()
    model.backbone.eval()
    assert not torch.equal(model(images).maps, model(images).maps)


def test_gray_is_normalized_with_the_backbones_statistics():
    class Seen(nn.Module):
        num_features = 3

        def forward_features(self, images):
            return images

    model = Classifier(settings_of("test_resnet", mean=(0.4, 0.5, 0.6), std=(0.5,)))
    model.backbone = Seen()
    model.head = nn.Conv2d(3, 3, 1)
    seen = model._grids((torch.ones(1, 1, 2, 2).expand(-1, 3, -1, -1) - model.mean) / model.std)[0]
    assert torch.allclose(seen[0, :, 0, 0], torch.tensor([1.2, 1.0, 0.8]))
    assert Classifier(settings_of("test_efficientnet")).mean.flatten()[0] == pytest.approx(0.485)


def test_pretrained_weights_from_a_file_bring_their_input_range(pretrained_weights):
    settings = ClassifierSettings(weights=str(pretrained_weights))
    model = build_classifier(settings)
    assert model.origin.startswith("weights from mobilenetv2_100.imagenet1001.safetensors (312")
    assert model.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    given = build_classifier(settings.model_copy(update={"mean": (0.1,), "std": (0.2,)}))
    assert given.mean.flatten().tolist() == pytest.approx([0.1, 0.1, 0.1])


def test_folded_norms_change_nothing_but_the_modules(pretrained_weights, tmp_path):
    settings = ClassifierSettings(weights=str(pretrained_weights))
    images = torch.rand(2, 1, 128, 128)
    torch.manual_seed(0)
    plain = build_classifier(settings).eval()
    torch.manual_seed(0)
    folded = build_classifier(settings.model_copy(update={"batch_norm": "fold"})).eval()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(images).logits, plain(images).logits, atol=1e-3)
        card = Card(name="folded", classifier=settings, canvas_px=128)
        loaded, read = load_checkpoint(save_checkpoint(tmp_path, folded, card, onnx=False))
        assert torch.equal(loaded(images).logits, folded(images).logits)
    assert read.classifier.batch_norm == "fold"
    assert read.classifier.weights == pretrained_weights.name


def test_from_scratch_keeps_its_norms():
    model = build_classifier(settings_of("test_efficientnet", batch_norm="fold"))
    assert model.settings.batch_norm == "keep"
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_auto_takes_a_local_file_then_the_hub_then_nothing(
    pretrained_weights, monkeypatch, tmp_path
):
    monkeypatch.setenv("GREENSTICK_WEIGHTS", str(pretrained_weights.parent))
    assert "mobilenetv2_100.imagenet1001" in build_classifier(ClassifierSettings()).origin
    monkeypatch.setenv("GREENSTICK_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(classifiers, "fetch_from_hub", lambda backbone, name: None)
    assert build_classifier(ClassifierSettings()).origin == "pretrained weights from timm's hub"

    def no_network(backbone, name):
        raise GreenstickError("No network.", remedy="Connect.")

    monkeypatch.setattr(classifiers, "fetch_from_hub", no_network)
    origin = build_classifier(ClassifierSettings()).origin
    assert origin == "from scratch: no pretrained weights could be had"


def test_without_a_network_the_hub_fails_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.perf_counter()
    with pytest.raises(GreenstickError, match="could not be downloaded"):
        build_classifier(ClassifierSettings(backbone="resnet18", weights="hub"))
    assert time.perf_counter() - start < 5
