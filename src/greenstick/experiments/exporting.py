"""A run's model for other programs, checked on real images against the network it was made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.cohort import read_cohort
from greenstick.errors import GreenstickError
from greenstick.models.card import write_card
from greenstick.models.checkpoint import load_checkpoint
from greenstick.models.export import export_onnx
from greenstick.models.export_check import check_export
from greenstick.models.export_openvino import export_int8, export_openvino
from greenstick.models.export_torchscript import export_torchscript
from greenstick.models.familiar import read_familiar, write_familiar
from greenstick.radiographs.canvas import fit
from greenstick.radiographs.opening import open_radiograph
from greenstick.reading.finding import walk
from greenstick.reading.reader import find_model

Format = Literal["onnx", "openvino", "openvino-bf16", "openvino-int8", "torchscript"]
_ENDINGS: dict[str, str] = {"onnx": "onnx", "torchscript": "pt"}
_CHECKED, _QUANTIZED = 16, 300
#: A logit may differ by no more than this; coarser numbers are measured, not limited.
_TOLERANCE = 1e-3
_COARSE = ("openvino-bf16", "openvino-int8")


@dataclass(frozen=True)
class Exported:
    """What an export gave.

    Attributes
    ----------
    path
        The network's file.
    differences
        For each output, the largest absolute difference from the network, over the images.
    n_images
        How many images it was checked on.
    images
        Where these came from.
    """

    path: Path
    differences: dict[str, float]
    n_images: int
    images: str


def export_model(
    model: Path | str, to: str, output: Path | str, *, images: Path | None = None
) -> Exported:
    """Write a model in another format, with its card and what is familiar to it, and check it.

    Parameters
    ----------
    model
        A run folder, or one of its models.
    to
        One of :data:`Format`.
    output
        Folder for ``model.onnx``, ``model.xml`` and ``model.bin``, or ``model.pt``, and the card.
    images
        Radiographs for the check, and to quantize with: a file or a folder. None: those of the
        run's cohort (validation rows for the check, training rows to quantize with).

    Raises
    ------
    GreenstickError
        Where the format is unknown, there are no images, or the file does not say what the
        network says; then it is removed.
    """
    if to not in get_args(Format):
        raise GreenstickError(
            f"There is no format {to!r}.", remedy=f"Choose of {', '.join(get_args(Format))}."
        )
    folder = find_model(Path(model))
    network, card = load_checkpoint(folder)
    if to == "openvino-bf16":
        card = card.model_copy(update={"precision": "bf16"})
    path = Path(output) / f"model.{_ENDINGS.get(to, 'xml')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    size = card.canvas_px
    canvases, where = _canvases(folder, images, "valid", size, _CHECKED)
    if to == "onnx":
        export_onnx(network, size, path)
    elif to in ("openvino", "openvino-bf16"):
        export_openvino(network, size, path)
    elif to == "torchscript":
        export_torchscript(network, size, path)
    else:
        export_int8(network, size, path, _canvases(folder, images, "train", size, _QUANTIZED)[0])
    differences = check_export(path, network, canvases, precision=card.precision)
    if to not in _COARSE and differences["logits"] > _TOLERANCE:
        path.unlink()
        raise GreenstickError(
            f"The exported network's logits differ by {differences['logits']:.2g}.",
            remedy="Choose another format, and tell the authors the backbone's name.",
        )
    write_card(path.parent, card)
    known = read_familiar(folder)
    if known is not None:
        write_familiar(path.parent, known)
    return Exported(path, differences, len(canvases), where)


def _canvases(
    folder: Path, images: Path | None, split: str, size: int, most: int
) -> tuple[NDArray[np.uint8], str]:
    paths, where = (list(walk([images], [])), str(images)) if images else _of_run(folder, split)
    step = max(1, len(paths) // most)
    canvases = []
    for path in paths[::step]:
        try:
            canvases.append(fit(open_radiograph(path, at_least_px=size), size)[0])
        except GreenstickError:
            continue
        if len(canvases) == most:
            break
    if not canvases:
        raise GreenstickError(
            "There are no radiographs to check the export on.",
            remedy="Give some with --images FOLDER.",
        )
    return np.stack(canvases), where


def _of_run(folder: Path, split: str) -> tuple[list[Path], str]:
    run = folder.parent.parent
    if not (run / "cohort.parquet").is_file() or not (run / "splits.parquet").is_file():
        return [], ""
    cohort = read_cohort(run / "cohort.parquet")
    mine = pl.read_parquet(run / "splits.parquet").filter(split=split).select("image").unique()
    rows = cohort.with_table(cohort.table.join(mine, on="image", how="semi"))
    return [path for path in rows.paths() if path.is_file()], f"{split} rows of the run"
