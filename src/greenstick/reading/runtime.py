"""Compiled inference: OpenVINO on the CPU, or ONNX Runtime there and on a GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import openvino
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.files import copy_whole
from greenstick.models.card import NETWORK, Precision
from greenstick.models.merging import Merged
from greenstick.openvino_core import openvino_core
from greenstick.reading.onnx_runtime import Floats, Infer, by_onnx_runtime

Device = Literal["cpu", "onnx", "cuda"]


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
    found
        The boxes, in pixels of the original, of a detector that answers by itself; its ``maps`` are
        empty. None for a classifier.
    """

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None
    look: NDArray[np.float32] | None = None
    found: Merged | None = None

    @classmethod
    def join(cls, outputs: "Sequence[Output]") -> "Output":
        """Return what a network says of several batches as of one."""
        if len(outputs) == 1:
            return outputs[0]
        return cls(
            np.concatenate([output.logits for output in outputs]),
            np.concatenate([output.maps for output in outputs]),
            _joined([output.spread for output in outputs]),
            _joined([output.look for output in outputs]),
        )

    def part(self, first: int, last: int) -> "Output":
        """Return what is said of some of the images: from the first, up to but not the last."""
        spread = None if self.spread is None else self.spread[first:last]
        look = None if self.look is None else self.look[first:last]
        return Output(self.logits[first:last], self.maps[first:last], spread, look)


class Runtime:
    """A network compiled for batches of one size; not to be called from two threads at once.

    Parameters
    ----------
    path
        The ``.onnx`` file; or OpenVINO's ``.xml``, with its ``.bin`` beside it.
    canvas_px
        Side of the square input.
    batch
        Images a call. A fixed shape lets the compiler plan its memory.
    threads
        How many it may use; 0: all cores.
    device
        ``"cpu"`` (OpenVINO), ``"onnx"`` (ONNX Runtime on the CPU) or ``"cuda"`` (on a GPU).
    precision
        Of what OpenVINO computes: ``"f32"``, with which models are tested, or ``"bf16"``.
    gives
        Outputs that it must have.
    only
        An output that OpenVINO computes alone, without the layers that others need; all outputs
        where it is empty, or the network has none of this name.

    Attributes
    ----------
    outputs
        Their names; of a classifier, fields of :class:`Output`.

    Raises
    ------
    GreenstickError
        Where the file is missing, or no such network or one of other outputs, or the device is
        not there.
    """

    def __init__(
        self,
        path: Path,
        canvas_px: int,
        *,
        batch: int = 1,
        threads: int = 0,
        device: Device = "cpu",
        precision: Precision = "f32",
        gives: Sequence[str] = (),
        only: str = "",
    ) -> None:
        if not path.is_file():
            raise GreenstickError(
                f"There is no network {path}.",
                remedy="Export the model again, or copy the whole model folder.",
            )
        try:
            if device == "cpu":
                shape = [batch, 1, canvas_px, canvas_px]
                self.outputs, self._infer = _by_openvino(path, shape, threads, precision, only)
            else:
                self.outputs, self._infer = by_onnx_runtime(path, device, threads)
        except RuntimeError as error:
            first = (str(error).splitlines() or ["unreadable"])[0]
            raise GreenstickError(
                f"{path} is no network that can be run ({first[:160]}).",
                remedy="Export the model again, or copy the whole model folder.",
            ) from None
        if not set(gives) <= set(self.outputs):
            raise GreenstickError(
                f"{path} does not belong to the card beside it: it gives "
                f"{', '.join(self.outputs)}, not {', '.join(gives)}.",
                remedy="Copy the whole model folder again.",
            )

    def __call__(self, images: NDArray[np.float32]) -> Output:
        """Score float32 images of shape (batch, 1, canvas_px, canvas_px) in [0, 1]."""
        said = self.values(images)
        return Output(said["logits"], said["maps"], said.get("spread"), said.get("look"))

    def values(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return what a network of any outputs says of such images, by their names."""
        return self._infer(images)


def _joined(values: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    there = [each for each in values if each is not None]
    return np.concatenate(there) if there else None


def _by_openvino(
    path: Path, shape: list[int], threads: int, precision: Precision, only: str
) -> tuple[list[str], Infer]:
    # Full precision unless asked otherwise: what is read must be what was tested.
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if threads:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    core = openvino_core()
    network = core.read_model(path)
    wanted = [output for output in network.outputs if only in output.get_names()]
    if wanted:
        network = openvino.Model(wanted, network.get_parameters())
    names = [output.get_any_name() for output in network.outputs]
    network.reshape(shape)
    request = core.compile_model(network, "CPU", options).create_infer_request()

    def infer(images: Floats) -> dict[str, Floats]:
        # Shared memory saves a copy in; results are copied out before the next call.
        results = request.infer({"images": images}, share_inputs=True)
        return {name: np.array(results[name]) for name in names}

    return names, infer


def network_files(folder: Path) -> list[Path]:
    """Return the files that a model folder's network is in: one, or OpenVINO's two."""
    network = network_in(folder)
    return [network, network.with_suffix(".bin")] if network.suffix == ".xml" else [network]


def copy_network(source: Path, target: Path) -> None:
    """Copy a model folder's network into another folder, in place of whatever is there."""
    files = network_files(source)
    for old in network_files(target):
        if old.name not in {file.name for file in files}:
            old.unlink(missing_ok=True)
    for file in files:
        copy_whole(file, target / file.name)


def network_in(folder: Path) -> Path:
    """Return a model folder's network: ``model.onnx``, or else what OpenVINO was given."""
    exported = folder / "model.xml"
    network = folder / NETWORK
    return exported if exported.is_file() and not network.is_file() else network
