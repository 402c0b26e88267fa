"""Whether an exported network says what the network says."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from greenstick.models.card import Precision
from greenstick.models.export import quiet
from greenstick.openvino_core import openvino_core
from greenstick.radiographs.canvas import as_images

Floats = NDArray[np.float32]
#: One image and the outputs' names in order, to the outputs.
Runner = Callable[[Floats, Sequence[str]], dict[str, Floats]]


def check_export(
    path: Path | str,
    model: nn.Module,
    canvases: NDArray[np.uint8],
    *,
    precision: Precision = "f32",
) -> dict[str, float]:
    """Run an exported file and the network that it was made from on the same images.

    Parameters
    ----------
    path
        ``.onnx`` or ``.xml``, run by OpenVINO, or TorchScript.
    model
        In evaluation mode.
    canvases
        uint8 (n, canvas_px, canvas_px).
    precision
        What OpenVINO computes in.

    Returns
    -------
    dict
        For each output, by its name, the largest absolute difference.
    """
    run = _runner(Path(path), precision)
    differences: dict[str, float] = {}
    for canvas in canvases:
        image = as_images(canvas[None])
        with torch.inference_mode():
            expected = model(torch.from_numpy(image).to(next(model.parameters()).device))
        found = run(image, expected._fields)
        for name, wanted in zip(expected._fields, expected, strict=True):
            difference = float(np.abs(found[name] - wanted.cpu().numpy()).max())
            differences[name] = max(differences.get(name, 0.0), difference)
    return differences


def _runner(path: Path, precision: Precision) -> Runner:
    if path.suffix in (".onnx", ".xml"):
        return _openvino(path, precision)
    return _torchscript(path)


def _openvino(path: Path, precision: Precision) -> Runner:
    core = openvino_core()
    options = {"INFERENCE_PRECISION_HINT": precision}
    compiled = core.compile_model(core.read_model(path), "CPU", options)

    def run(image: Floats, names: Sequence[str]) -> dict[str, Floats]:
        found = compiled({"images": image})
        return {name: np.array(found[name]) for name in names}

    return run


def _torchscript(path: Path) -> Runner:
    with quiet():
        script = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]

    def run(image: Floats, names: Sequence[str]) -> dict[str, Floats]:
        with torch.inference_mode():
            found = script(torch.from_numpy(image))
        return {name: values.numpy() for name, values in zip(names, found, strict=True)}

    return run
