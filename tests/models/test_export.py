import numpy as np
import pytest
import torch

from greenstick.errors import GreenstickError
from greenstick.models.classifier import build_classifier
from greenstick.models.ensemble import Ensemble
from greenstick.models.export import export_onnx
from greenstick.models.export_check import check_export
from greenstick.models.export_openvino import export_int8, export_openvino
from greenstick.models.export_torchscript import export_torchscript
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.runtime import Runtime


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make(backbone: str = "test_resnet", seed: int = 0, **values):
    torch.manual_seed(seed)
    model = build_classifier(ClassifierSettings(backbone=backbone, weights="none", **values)).eval()
    torch.nn.init.normal_(model.head.cell.weight, std=0.5)
    return model


@pytest.fixture(scope="module")
def canvases():
    """Coarse noise, darker and brighter."""
    rng = np.random.default_rng(0)
    coarse = rng.random((40, 8, 8)) * rng.uniform(20, 255, (40, 1, 1))
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.mark.parametrize(
    ("export", "suffix", "head"),
    [(export_torchscript, ".pt", "linear"), (export_openvino, ".xml", "cells")],
)
def test_an_exported_network_says_the_same(export, suffix, head, canvases, tmp_path, capfd):
    model = make(head=head).train()
    path = export(model, 64, tmp_path / f"model{suffix}")
    assert model.training
    assert capfd.readouterr() == ("", "")
    differences = check_export(path, model.eval(), canvases[:3])
    assert set(differences) == {"logits", "maps"}
    assert max(differences.values()) < 1e-3
    names = {"model.xml", "model.bin"} if suffix == ".xml" else {"model.pt"}
    assert {file.name for file in tmp_path.iterdir()} == names


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch.jit itself
def test_torchscript_takes_batches_of_any_size(canvases, tmp_path):
    model = make("test_vit")
    script = torch.jit.load(str(export_torchscript(model, 64, tmp_path / "model.pt")))
    for n in (1, 3):
        images = torch.from_numpy(canvases[:n, None]).float() / 255
        with torch.no_grad():
            assert torch.allclose(script(images)[0], model(images).logits, atol=1e-4)


def test_an_ensemble_keeps_its_spread(model, canvases, tmp_path):
    joint = Ensemble([model, make(seed=1)])
    differences = check_export(export_openvino(joint, 64, tmp_path / "m.xml"), joint, canvases[:2])
    assert set(differences) == {"logits", "maps", "spread"}
    assert max(differences.values()) < 1e-3


def test_half_takes_half_the_room(model, canvases, tmp_path):
    whole = export_openvino(model, 64, tmp_path / "whole.xml")
    half = export_openvino(model, 64, tmp_path / "half.xml", half=True)
    sizes = [path.with_suffix(".bin").stat().st_size for path in (whole, half)]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05)
    assert check_export(half, model, canvases[:3])["logits"] < 0.05


def test_integers_say_much_the_same(canvases, tmp_path, capfd):
    model = make(head="cells")
    path = export_int8(model, 64, tmp_path / "int8.xml", canvases)
    assert capfd.readouterr() == ("", "")
    run = Runtime(path, 64, threads=1)
    images = canvases[:, None].astype(np.float32) / np.float32(255)
    found = [run(image[None]).logits[0, 0] for image in images]
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).logits[:, 0].numpy()
    assert np.corrcoef(found, expected)[0, 1] > 0.95
    difference = check_export(path, model, canvases)["logits"]
    assert 0 < difference < 5 * expected.std()
    assert difference == pytest.approx(np.abs(np.array(found) - expected).max(), abs=1e-5)


def test_too_few_images_are_refused(model, canvases, tmp_path):
    with pytest.raises(GreenstickError, match="32 images or more, and got 5"):
        export_int8(model, 64, tmp_path / "int8.xml", canvases[:5])


def test_without_nncf_it_says_what_to_install(model, canvases, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nncf", None)
    with pytest.raises(GreenstickError, match=r"pip install 'greenstick\[int8\]'"):
        export_int8(model, 64, tmp_path / "int8.xml", canvases)


def test_a_check_tells_a_file_of_another_network(model, canvases, tmp_path):
    path = export_onnx(make(seed=5), 64, tmp_path / "model.onnx")
    assert check_export(path, model, canvases[:2])["logits"] > 1e-2
