from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest

from greenstick.errors import GreenstickError
from greenstick.models.card import CARD, Precision
from greenstick.openvino_core import openvino_core
from greenstick.reading.boxes import BoxFinder
from greenstick.reading.reader import Reader, digest_of
from greenstick.reading.runtime import Device, Runtime, copy_network


@pytest.mark.parametrize("batch", [1, 2])
def test_the_network_is_computed_as_written(batch: int, make_model: Callable[..., Path]) -> None:
    run = Runtime(make_model() / "model.onnx", 96, batch=batch, threads=1)
    images = np.random.default_rng(1).random((batch, 1, 96, 96), dtype=np.float32)
    output = run(images)
    cells = images.reshape(batch, 1, 4, 24, 4, 24).mean(axis=(3, 5)) * 12.0 - 5.0
    np.testing.assert_allclose(output.maps, cells, atol=1e-4)
    np.testing.assert_allclose(output.logits, cells.mean(axis=(2, 3)), atol=1e-4)


def test_outputs_are_not_overwritten_by_the_next_call(make_model: Callable[..., Path]) -> None:
    run = Runtime(make_model() / "model.onnx", 96, threads=1)
    first = run(np.zeros((1, 1, 96, 96), np.float32))
    run(np.ones((1, 1, 96, 96), np.float32))
    assert first.logits[0, 0] == pytest.approx(-5.0)


def test_a_network_is_copied_whole_in_place_of_another_format(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    plain, exported, target = make_model("plain"), tmp_path / "exported", tmp_path / "target"
    network = openvino_core().read_model(plain / "model.onnx")
    openvino.save_model(network, exported / "model.xml", compress_to_fp16=False)
    for source, files in ((plain, ["model.onnx"]), (exported, ["model.bin", "model.xml"])) * 2:
        copy_network(source, target)
        assert sorted(path.name for path in target.iterdir()) == files


def test_the_weights_of_an_exported_detector_are_part_of_the_digest(
    make_model: Callable[..., Path], make_detector: Callable[..., Path]
) -> None:
    model, boxes = make_model(), make_detector("boxes")
    (boxes / "model.onnx").rename(boxes / "model.xml")
    digests = {digest_of(model, boxes)}
    for content in (b"one", b"other"):
        (boxes / "model.bin").write_bytes(content)
        digests |= {digest_of(model, boxes), digest_of(model, region_from=boxes)}
    assert len(digests) == 5


def test_a_network_beside_another_kind_of_card_is_refused(
    make_model: Callable[..., Path], make_detector: Callable[..., Path]
) -> None:
    model, boxes = make_model(), make_detector("boxes")
    for source, target in ((model, boxes), (make_detector("other"), model)):
        copy_network(source, target)
    with pytest.raises(GreenstickError, match="it gives boxes, logits, not logits, maps"):
        Reader(model)
    with pytest.raises(GreenstickError, match="it gives logits, maps, not boxes, logits"):
        BoxFinder(boxes)


def test_a_missing_or_broken_network_says_so(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="There is no network"):
        Runtime(tmp_path / "model.onnx", 96)
    (tmp_path / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(GreenstickError, match="no network that can be run"):
        Runtime(tmp_path / "model.onnx", 96)


@pytest.mark.parametrize(("device", "precision"), [("onnx", "f32"), ("cpu", "bf16")])
def test_every_way_of_running_says_the_same(
    device: Device, precision: Precision, make_model: Callable[..., Path]
) -> None:
    path = make_model() / "model.onnx"
    images = np.random.default_rng(1).random((2, 1, 96, 96), dtype=np.float32)
    expected = Runtime(path, 96, batch=2, threads=1)(images)
    found = Runtime(path, 96, batch=2, threads=1, device=device, precision=precision)(images)
    near = 1e-4 if precision == "f32" else 0.1
    np.testing.assert_allclose(found.logits, expected.logits, atol=near)
    np.testing.assert_allclose(found.maps, expected.maps, atol=near)


def test_without_a_gpu_cuda_is_refused_with_a_remedy(make_model: Callable[..., Path]) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is ONNX Runtime for GPUs")
    with pytest.raises(GreenstickError, match="no GPU") as caught:
        Runtime(make_model() / "model.onnx", 96, device="cuda")
    assert "--device cpu" in caught.value.remedy


def test_onnx_runtime_refuses_what_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(GreenstickError, match="ONNX Runtime can run"):
        Runtime(tmp_path / "model.onnx", 96, device="onnx")


def test_a_reader_takes_what_was_exported_for_openvino(
    make_model: Callable[..., Path], scans: Path
) -> None:
    model, exported = make_model(), scans.parent / "exported"
    exported.mkdir()
    openvino.save_model(openvino_core().read_model(model / "model.onnx"), exported / "model.xml")
    (exported / CARD).write_bytes((model / CARD).read_bytes())
    expected, found = (Reader(f, threads=1)(scans / "dark.png") for f in (model, exported))
    assert found.probability == pytest.approx(expected.probability, abs=1e-3)
    before = digest_of(exported)
    weights = bytearray((exported / "model.bin").read_bytes())
    weights[-1] ^= 1
    (exported / "model.bin").write_bytes(weights)
    assert digest_of(exported) != before


def test_one_output_alone_is_what_it_is_among_all(make_model: Callable[..., Path]) -> None:
    path = make_model() / "model.onnx"
    images = np.random.default_rng(0).random((1, 1, 96, 96), np.float32)
    whole, part = Runtime(path, 96, threads=1), Runtime(path, 96, threads=1, only="maps")
    assert part.outputs == ["maps"]
    np.testing.assert_array_equal(part.values(images)["maps"], whole.values(images)["maps"])
    assert Runtime(path, 96, threads=1, only="no such output").outputs == whole.outputs
