"""Models whose answer is known: the logit is twelve times the mean gray, less five."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from greenstick.models.card import Card, CardCalibration, CardOperatingPoint, write_card
from greenstick.models.settings import ClassifierSettings
from greenstick.reading import pace

CANVAS_PX, CELL_PX, SLOPE, OFFSET = 96, 24, 12.0, -5.0
TEMPERATURE, THRESHOLD = 1.5, 0.4


def write_network(path: Path, classes: int) -> None:
    """Write maps = slope * mean of the cell + offset; with two classes, its negative first."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 96, 96])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes]),
        helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", classes, 4, 4]),
    ]
    numbers = {
        "slope": np.float32([SLOPE]),
        "offset": np.float32([OFFSET]),
        "axes": np.int64([2, 3]),
    }
    side = [CELL_PX, CELL_PX]
    nodes = [
        helper.make_node("AveragePool", ["images"], ["m"], kernel_shape=side, strides=side),
        helper.make_node("Mul", ["m", "slope"], ["s"]),
        helper.make_node("Add", ["s", "offset"], ["z"]),
        helper.make_node("Neg", ["z"], ["minus"]),
        helper.make_node("Concat", ["minus", "z"] if classes == 2 else ["z"], ["maps"], axis=1),
        helper.make_node("ReduceMean", ["maps", "axes"], ["logits"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "mean", [images], outputs, constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )


@pytest.fixture(autouse=True)
def _no_time_for_a_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a pace without measuring it, and remember none beyond a test."""
    monkeypatch.setenv("GREENSTICK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pace, "measure_pace", lambda *_: pace.Pace(images=2, threads=1))


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of model folders; keyword arguments replace fields of the card."""

    def make(name: str = "mean", **fields: object) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        settings = fields.pop("classifier", ClassifierSettings(weights="none"))
        assert isinstance(settings, ClassifierSettings)
        write_network(folder / "model.onnx", len(settings.classes))
        card = Card(
            name=folder.name,
            classifier=settings,
            canvas_px=CANVAS_PX,
            calibration=CardCalibration(temperature=TEMPERATURE, fitted_on="valid", n=80),
            operating_points=(
                CardOperatingPoint(threshold=THRESHOLD, rule="youden", chosen_on="valid", n=80),
            ),
        ).model_copy(update=fields)
        write_card(folder, card)
        return folder

    return make


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder: dark, bright, cut, stranger, hidden, and a second dark in a subfolder."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    save_film(folder / "dark.png", 0.2)
    save_film(folder / "bright.jpg", 0.7)
    save_film(folder / "sub" / "dark.png", 0.2)
    save_film(folder / ".hidden.png", 0.5)
    content = (folder / "bright.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])
    (folder / "notes.txt").write_text("left wrist")
    return folder


def save_film(path: Path, mean: float, size: int = 192) -> None:
    """Save a gray picture of a given mean, with enough texture not to be blank."""
    texture = np.random.default_rng(0).normal(0.0, 0.08, (size, size))
    texture -= texture.mean()
    Image.fromarray(np.rint(np.clip(mean + texture, 0, 1) * 255).astype(np.uint8)).save(path)
