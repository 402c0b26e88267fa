"""A network run by ONNX Runtime: on a GPU, or where OpenVINO does not run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError

Floats = NDArray[np.float32]
#: Images of shape (N, 1, S, S) to outputs by their names.
Infer = Callable[[Floats], dict[str, Floats]]

_CPU = "CPUExecutionProvider"
#: What carries a device's name in ONNX Runtime, with what it is told.
_PROVIDERS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "onnx": [(_CPU, {})],
    # Without TF32, whose products have 10 bits: what is read must be what was tested.
    "cuda": [("CUDAExecutionProvider", {"use_tf32": "0"}), (_CPU, {})],
}


def by_onnx_runtime(path: Path, device: str, threads: int) -> tuple[list[str], Infer]:
    """Open a network, and return its outputs' names and how it is run.

    Raises
    ------
    GreenstickError
        Where ONNX Runtime is not installed, knows no such device, or the file is not ONNX.
    """
    runtime = _imported()
    wanted = _PROVIDERS[device][0][0]
    if wanted not in runtime.get_available_providers():
        raise GreenstickError(
            "ONNX Runtime finds no GPU that it can use.",
            remedy="Install 'greenstick[gpu]' and NVIDIA's CUDA libraries, or give --device cpu.",
        )
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    try:
        session = runtime.InferenceSession(str(path), options, providers=_PROVIDERS[device])
    except Exception as error:  # its errors have no common class of their own
        raise GreenstickError(
            f"{path} is no network that ONNX Runtime can run ({type(error).__name__}).",
            remedy="Export the model with --to onnx.",
        ) from None
    if session.get_providers()[0] != wanted:
        raise GreenstickError(
            "The GPU's libraries do not load.",
            remedy="Install the CUDA and cuDNN that ONNX Runtime was made for, or read on the CPU.",
        )
    names = [output.name for output in session.get_outputs()]

    def infer(images: Floats) -> dict[str, Floats]:
        return dict(zip(names, session.run(names, {"images": images}), strict=True))

    return names, infer


def _imported() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise GreenstickError(
            "ONNX Runtime is not installed.", remedy="Install it: pip install 'greenstick[gpu]'."
        ) from None
    return onnxruntime
