"""What every test may ask for."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is not a fault in the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Tests run beside each other: one thread each is quicker than two fighting for a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real radiographs, or skip."""
    if not (SHARED / "data").is_dir():
        pytest.skip("../shared/data is absent: real radiographs are not part of the project")
    return SHARED / "data"


@pytest.fixture(scope="session")
def fracatlas(shared_data: Path) -> Path:
    """Return FracAtlas as laid in ../shared/data, or skip."""
    return shared_data / "fracatlas"


@pytest.fixture(scope="session")
def pretrained_weights() -> Path:
    """Return the ImageNet weights for mobilenetv2_100, or skip."""
    path = SHARED / "weights" / "mobilenetv2_100.imagenet1001.safetensors"
    if not path.is_file():
        pytest.skip("../shared/weights is absent: pretrained weights are not part of the project")
    return path


@pytest.fixture
def make_detector(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of detectors of two boxes; keyword arguments replace fields of the card.

    The ``first``, of class 'new', is surer the brighter the canvas is, by ``gain``: its logit is
    3 + gain * mean. That of the second, of class 'old', is -2.
    """

    def make(
        name: str = "two boxes",
        *,
        gain: float = 0.0,
        first: tuple[int, int, int, int] = (8, 16, 24, 32),
        **fields: object,
    ) -> Path:
        from greenstick.models.card import CardOperatingPoint, write_card
        from greenstick.models.detector_settings import DetectorCard, DetectorSettings

        folder = tmp_path / name
        folder.mkdir(parents=True)
        write_two_boxes(folder / "model.onnx", gain, first)
        point = CardOperatingPoint(threshold=0.4, rule="f1", chosen_on="valid", n=50)
        card = DetectorCard(
            name=folder.name,
            detector=DetectorSettings(backbone="test", classes=("new", "old")),
            canvas_px=64,
            operating_points=(point,),
        )
        write_card(folder, card.model_copy(update=fields))
        return folder

    return make


def write_two_boxes(path: Path, gain: float, first: tuple[int, int, int, int]) -> None:
    """Write the network of such a detector."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, "h", "w"])
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 2, 4]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2, 2]),
    ]
    constants = {
        "zero": np.float32([0.0]),
        "gain": np.float32([[[gain, 0.0], [0.0, 0.0]]]),
        "corners": np.float32([[first, [32, 32, 64, 48]]]),
        "said": np.float32([[[3.0, -9.0], [-9.0, -2.0]]]),
        "axes": np.int64([2, 3]),
        "last": np.int64([3]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=1),
        helper.make_node("Squeeze", ["mean", "last"], ["m"]),
        helper.make_node("Mul", ["m", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "corners"], ["boxes"]),
        helper.make_node("Mul", ["m", "gain"], ["more"]),
        helper.make_node("Add", ["more", "said"], ["logits"]),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "two boxes", [images], outputs, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(made, path)
