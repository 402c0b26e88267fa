from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from greenstick.models.classifier import build_classifier
from greenstick.models.ensemble import Ensemble
from greenstick.models.export import export_onnx
from greenstick.models.look import WithLook
from greenstick.models.settings import ClassifierSettings


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def network(backbone: str):
    return build_classifier(ClassifierSettings(backbone=backbone, weights="none")).eval()


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
@torch.no_grad()
def test_the_look_is_exported_beside_unchanged_answers(backbone: str, tmp_path: Path) -> None:
    model = network(backbone)
    images = torch.rand(3, 1, 96, 96)
    before = model(images)
    path = export_onnx(model, 96, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits, look = session.run(["logits", "look"], {"images": images.numpy()})
    np.testing.assert_allclose(logits, before.logits, atol=1e-4)
    assert look.shape[0] == 3
    assert look.shape[1] > 8
    assert np.isfinite(look).all()
    looking = WithLook(model)
    np.testing.assert_allclose(look, looking(images)[-1], atol=1e-3)
    looking.close()
    assert len(model(images)) == len(before)
    assert not any(module._forward_hooks for module in model.modules())


@torch.no_grad()
def test_the_look_is_mean_and_spread_of_the_early_stage() -> None:
    model = network("test_resnet")
    looking = WithLook(model)
    look = looking(torch.rand(2, 1, 64, 64))[-1]
    constant = looking(torch.full((1, 1, 64, 64), 0.5))[-1]
    assert (look[:, look.shape[1] // 2 :] >= 0).all()
    assert not torch.allclose(look[0], constant[0], atol=1e-3)


@torch.no_grad()
def test_of_an_ensemble_the_first_member_looks() -> None:
    first, second = network("test_resnet"), network("test_efficientnet")
    images = torch.rand(2, 1, 64, 64)
    both, alone = WithLook(Ensemble([first, second])), None
    joint = both(images)
    both.close()
    alone = WithLook(first)
    assert torch.allclose(joint[-1], alone(images)[-1])
    assert len(joint) == 4
