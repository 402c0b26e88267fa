import json

import numpy as np
import pytest
import torch

from greenstick.errors import GreenstickError
from greenstick.models.card import Card, CardMember
from greenstick.models.checkpoint import load_checkpoint, save_checkpoint, save_ensemble
from greenstick.models.classifier import build_classifier
from greenstick.models.ensemble import Ensemble
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.runtime import Runtime


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make(backbone: str, seed: int = 0, **values):
    torch.manual_seed(seed)
    model = build_classifier(ClassifierSettings(backbone=backbone, weights="none", **values)).eval()
    torch.nn.init.normal_(model.head.cell.weight, std=0.5)  # or members would hardly differ
    return model


@pytest.fixture(scope="module")
def members():
    return [
        make("test_efficientnet"),
        make("test_resnet", head="cells"),
        make("test_efficientnet", seed=1),
    ]


@pytest.fixture(scope="module")
def folder(members, tmp_path_factory):
    named = tuple(CardMember(name=name, classifier=members[0].settings) for name in "abc")
    card = Card(name="joint", classifier=members[2].settings, members=named, canvas_px=64)
    return save_ensemble(tmp_path_factory.mktemp("joint"), members, card)


def images_of(n: int = 2) -> torch.Tensor:
    return torch.rand(n, 1, 64, 64, generator=torch.Generator().manual_seed(4))


@torch.no_grad()
def test_members_are_averaged_and_their_spread_told(members):
    images = images_of(3)
    each = [member(images) for member in members]
    joint = Ensemble(members)(images)
    logits = np.stack([one.logits.numpy() for one in each])
    np.testing.assert_allclose(joint.logits.numpy(), logits.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(joint.spread.numpy(), logits.std(axis=0, ddof=1), atol=1e-5)
    fine = each[1].maps
    assert joint.maps.shape == fine.shape
    assert fine.shape[-1] > each[0].maps.shape[-1]
    # Bilinear resizing keeps the mean of a grid that is a whole number of times finer.
    coarse = [each[0].maps.mean(), fine.mean(), each[2].maps.mean()]
    assert float(joint.maps.mean()) == pytest.approx(float(sum(coarse)) / 3, abs=0.05)


@torch.no_grad()
def test_equal_members_do_not_disagree():
    member = make("test_efficientnet")
    joint = Ensemble([member, member])(images_of())
    assert torch.equal(joint.logits, member(images_of()).logits)
    assert torch.equal(joint.maps, member(images_of()).maps)
    assert bool((joint.spread == 0).all())


@torch.no_grad()
def test_it_comes_back_as_one_checkpoint(folder, members):
    loaded, card = load_checkpoint(folder)
    expected = Ensemble(members)(images_of())
    for one, other in zip(loaded(images_of()), expected, strict=True):
        assert torch.equal(one, other)
    assert [member.name for member in card.members] == ["a", "b", "c"]
    assert card.members[1].classifier.head == "cells"
    assert card.classifier == members[0].settings
    assert card.backbone == "test_efficientnet + test_resnet"
    assert card.weights_origin == "from scratch"
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        "model.onnx",
        "model.safetensors",
    ]


@torch.no_grad()
def test_a_reader_gets_logits_maps_and_spread(folder, members):
    output = Runtime(folder / "model.onnx", 64, batch=2, threads=1)(images_of().numpy())
    expected = Ensemble(members)(images_of())
    np.testing.assert_allclose(output.logits, expected.logits.numpy(), atol=1e-4)
    np.testing.assert_allclose(output.maps, expected.maps.numpy(), atol=1e-3)
    np.testing.assert_allclose(output.spread, expected.spread.numpy(), atol=1e-4)


def test_a_single_network_has_no_spread(tmp_path):
    model = make("test_efficientnet")
    card = Card(name="one", classifier=model.settings, canvas_px=64)
    folder = save_checkpoint(tmp_path, model, card)
    output = Runtime(folder / "model.onnx", 64, batch=2, threads=1)(images_of().numpy())
    assert output.spread is None
    assert json.loads((folder / "card.json").read_text())["members"] == []


def test_members_without_names_are_numbered(members, tmp_path):
    card = Card(name="joint", classifier=members[0].settings, canvas_px=64)
    save_ensemble(tmp_path, members, card, onnx=False)
    assert [member.name for member in load_checkpoint(tmp_path)[1].members] == ["1", "2", "3"]


def test_members_that_do_not_belong_together_are_refused(members):
    with pytest.raises(GreenstickError, match="two members or more, and got 1"):
        Ensemble(members[:1])
    other = make("test_efficientnet", classes=("none", "fracture"))
    with pytest.raises(GreenstickError, match="different classes"):
        Ensemble([members[0], other])
