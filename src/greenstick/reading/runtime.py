"""Compiled inference: a checkpoint's ``model.onnx`` on the CPU, by OpenVINO."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino
from numpy.typing import NDArray

from greenstick.errors import GreenstickError


class Output(NamedTuple):
    """What the network says of a batch.

    Attributes
    ----------
    logits
        float32 of shape (N, C).
    maps
        float32 of shape (N, C, h, w).
    spread
        float32 of shape (N, C): standard deviation of an ensemble's logits; None for one network.
    look
        float32 of shape (N, D): how each image looks, see :mod:`greenstick.models.familiar`; None
        for a network that does not say.
    """

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None
    look: NDArray[np.float32] | None = None


class Runtime:
    """A network compiled for batches of one size; not to be called from two threads at once.

    Parameters
    ----------
    path
        The ONNX file.
    canvas_px
        Side of the square input.
    batch
        Images a call. A fixed shape lets the compiler plan its memory.
    threads
        How many it may use; 0: all cores.

    Attributes
    ----------
    outputs
        Their names; of a classifier, fields of :class:`Output`.

    Raises
    ------
    GreenstickError
        Where the file is missing or no such network.
    """

    def __init__(self, path: Path, canvas_px: int, *, batch: int = 1, threads: int = 0) -> None:
        if not path.is_file():
            raise GreenstickError(
                f"There is no network {path}.",
                remedy="Export the model again, or copy the whole model folder.",
            )
        # Full precision: what is read must be what was tested.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            core = openvino.Core()
            network = core.read_model(path)
            self.outputs = [output.get_any_name() for output in network.outputs]
            network.reshape([batch, 1, canvas_px, canvas_px])
            self._request = core.compile_model(network, "CPU", options).create_infer_request()
        except RuntimeError as error:
            first = (str(error).splitlines() or ["unreadable"])[0]
            raise GreenstickError(
                f"{path} is no network that can be run ({first[:160]}).",
                remedy="Export the model again, or copy the whole model folder.",
            ) from None

    def __call__(self, images: NDArray[np.float32]) -> Output:
        """Score float32 images of shape (batch, 1, canvas_px, canvas_px) in [0, 1]."""
        return Output(**self.values(images))

    def values(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return what a network of any outputs says of such images, by their names."""
        # Shared memory saves a copy in; results are copied out before the next call.
        results = self._request.infer({"images": images}, share_inputs=True)
        return {name: np.array(results[name]) for name in self.outputs}
