import pickle

import pytest
import torch
from safetensors.torch import save_file

from greenstick.errors import GreenstickError
from greenstick.models.backbones import create_backbone
from greenstick.models.weights import fetch_from_hub, load_weights, local_file, read_tensors


def test_names_with_prefixes_and_a_head_match(tmp_path):
    torch.manual_seed(0)
    source = create_backbone("test_efficientnet")
    tensors = {f"module.backbone.{name}": value for name, value in source.state_dict().items()}
    tensors["module.classifier.bias"] = torch.zeros(7)
    tensors["module.classifier.weight"] = torch.zeros(7, 256)
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "old.pth")
    target = create_backbone("test_efficientnet")
    loaded = load_weights(target, tmp_path / "old.pth")
    assert loaded.matched == loaded.expected == len(source.state_dict())
    assert loaded.head_classes == 7
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        features = [net.eval().forward_features(images) for net in (source, target)]
    assert torch.equal(*features)


def test_a_gray_first_layer_gives_the_same_answer_to_gray(tmp_path):
    source = create_backbone("test_efficientnet")
    state = source.state_dict()
    state["conv_stem.weight"] = state["conv_stem.weight"].sum(1, keepdim=True)
    save_file(state, tmp_path / "gray.safetensors")
    target = create_backbone("test_efficientnet")
    load_weights(target, tmp_path / "gray.safetensors")
    gray = torch.rand(1, 1, 64, 64).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = source.eval().forward_features(gray)
        assert torch.allclose(target.eval().forward_features(gray), expected, atol=1e-5)


def test_another_networks_weights_are_refused(tmp_path):
    save_file(create_backbone("test_resnet").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(GreenstickError, match=r"fills \d+ of the backbone's \d+ tensors"):
        load_weights(create_backbone("test_efficientnet"), tmp_path / "other.safetensors")


class Trap:
    def __reduce__(self):
        return (open, ("/tmp/greenstick-was-here", "w"))


@pytest.mark.parametrize("name", ["trap.pth", "text.safetensors", "text.pth", "empty.pth"])
def test_what_is_not_tensors_is_refused_and_never_run(tmp_path, name):
    path = tmp_path / name
    if name == "trap.pth":
        torch.save({"state_dict": Trap()}, path)
    else:
        path.write_text("" if name == "empty.pth" else "no tensors at all")
    with pytest.raises(GreenstickError, match="cannot be read as a file of tensors"):
        read_tensors(path)


def test_a_plain_pickle_is_refused(tmp_path):
    path = tmp_path / "plain.pt"
    path.write_bytes(pickle.dumps({"weights": Trap()}, protocol=2))
    with pytest.raises(GreenstickError, match="cannot be read as a file of tensors"):
        read_tensors(path)


def test_a_missing_file_and_a_file_without_tensors_are_told(tmp_path):
    with pytest.raises(GreenstickError, match="no weights file"):
        read_tensors(tmp_path / "missing.safetensors")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(GreenstickError, match="holds no tensors"):
        read_tensors(tmp_path / "none.pth")


def test_local_files_are_found_by_whole_name(tmp_path, monkeypatch):
    for name in ("resnet18d.safetensors", "resnet18.a1.safetensors", "resnet18.txt"):
        (tmp_path / name).touch()
    monkeypatch.delenv("GREENSTICK_WEIGHTS", raising=False)
    assert local_file("resnet18") is None
    monkeypatch.setenv("GREENSTICK_WEIGHTS", str(tmp_path))
    assert local_file("resnet18") == tmp_path / "resnet18.a1.safetensors"
    assert local_file("resnet34") is None


def test_a_backbone_that_has_no_pretrained_weights_is_told():
    with pytest.raises(GreenstickError, match="no pretrained weights"):
        fetch_from_hub(create_backbone("resnet18"), "mobilenetv2_035")
