"""A network for OpenVINO: in float32, in float16, or in 8-bit integers."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from torch import nn

from greenstick.errors import GreenstickError
from greenstick.models.export import export_onnx, quiet
from greenstick.openvino_core import openvino_core
from greenstick.radiographs.canvas import as_images

_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
_NO_OPERATION = ("Constant", "Parameter")
#: Fewer images than this say too little of the range of values inside the network.
FEWEST_IMAGES = 32


def export_openvino(
    model: nn.Module,
    canvas_px: int,
    path: Path | str,
    *,
    half: bool = False,
    outputs: Sequence[str] = (),
) -> Path:
    """Write a network as OpenVINO's ``.xml``, with its ``.bin`` of the same name beside it.

    Input and outputs are those of :func:`~greenstick.models.export.export_onnx`.

    Parameters
    ----------
    path
        Of the ``.xml``.
    half
        Whether weights are kept in float16: half the size. What is computed in stays a choice of
        the runtime.
    outputs
        As of :func:`~greenstick.models.export.export_onnx`.

    Returns
    -------
    path
    """
    return _save(_convert(model, canvas_px, outputs), Path(path), half=half)


def export_int8(
    model: nn.Module,
    canvas_px: int,
    path: Path | str,
    images: NDArray[np.uint8],
    *,
    outputs: Sequence[str] = (),
) -> Path:
    """Write a network as OpenVINO's ``.xml`` in 8-bit integers, by post-training quantization.

    Every logit moves a little: test the file as you would a new model, and fit its temperature
    and threshold anew. The head is left in float, since its few numbers decide.

    Parameters
    ----------
    path
        Of the ``.xml``.
    images
        uint8 (n, canvas_px, canvas_px), typical ones, some hundreds: the ranges of values inside
        the network are taken from them. Never test rows.
    outputs
        As of :func:`~greenstick.models.export.export_onnx`.

    Returns
    -------
    path

    Raises
    ------
    GreenstickError
        Where NNCF is not installed, or images are too few.
    """
    nncf = _nncf()
    if len(images) < FEWEST_IMAGES:
        raise GreenstickError(
            f"Quantizing to 8 bits needs {FEWEST_IMAGES} images or more, and got {len(images)}.",
            remedy="Give some hundreds of typical images, e.g. those of the training rows.",
        )
    network = _convert(model, canvas_px, outputs)
    with quiet():
        quantized = nncf.quantize(
            network,
            nncf.Dataset(images, _as_input),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=_in_float(network)),
        )
    return _save(quantized, Path(path), half=False)


def _nncf() -> Any:
    """Import NNCF, which would otherwise tell its makers of each use over the network."""
    os.environ["NNCF_CI"] = "1"  # what it looks for; nothing else depends on it
    try:
        with quiet():
            import nncf
    except ModuleNotFoundError:
        raise GreenstickError(
            "Quantizing to 8 bits needs NNCF, which is not installed.",
            remedy="Install it: pip install 'greenstick[int8]'.",
        ) from None
    return nncf


def _in_float(network: Any) -> list[str]:
    """Name the operations from the last weights on: they are few, and they decide."""
    names: set[str] = set()
    for output in network.outputs:
        early = output.get_any_name() == "look"  # taken from an early stage, whose weights are not
        ahead = [source.get_node() for source in output.get_node().input_values()]
        while ahead:
            node = ahead.pop()
            name, kind = node.get_friendly_name(), node.get_type_name()
            if name in names or kind in _NO_OPERATION or (early and kind in _WEIGHTED):
                continue
            names.add(name)
            if kind not in _WEIGHTED:
                ahead += [source.get_node() for source in node.input_values()]
    return sorted(names)


def _as_input(canvas: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    return {"images": as_images(canvas[None])}


def _convert(model: nn.Module, canvas_px: int, outputs: Sequence[str]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        # The converter would do the same, and tell its makers of each use over the network.
        return openvino_core().read_model(
            export_onnx(model, canvas_px, Path(folder) / "model.onnx", outputs=outputs)
        )


def _save(network: Any, path: Path, *, half: bool) -> Path:
    """Write both files beside their names first, the ``.xml`` last into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export") as folder:
        part = Path(folder) / "model.xml"
        openvino.save_model(network, part, compress_to_fp16=half)
        part.with_suffix(".bin").replace(path.with_suffix(".bin"))
        part.replace(path)
    return path
