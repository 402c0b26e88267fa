"""A run's model for other programs, checked on real images against the network it was made from."""

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import nn

from greenstick.cohorts.cohort import read_cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.familiarity import bring_familiar
from greenstick.experiments.regions import regions_of
from greenstick.models.card import CARD, NETWORK, Precision, write_card
from greenstick.models.checkpoint import load_checkpoint
from greenstick.models.departures_checkpoint import KIND
from greenstick.models.detector import Detections
from greenstick.models.detector_checkpoint import load_detector
from greenstick.models.detector_settings import is_detector
from greenstick.models.export import export_onnx
from greenstick.models.export_check import check_export
from greenstick.models.export_openvino import export_int8, export_openvino
from greenstick.models.export_torchscript import export_torchscript
from greenstick.models.tiles import tile_corners
from greenstick.radiographs.canvas import fit
from greenstick.radiographs.opening import open_region
from greenstick.radiographs.region import Region
from greenstick.reading.finding import walk
from greenstick.reading.reader import find_model
from greenstick.reading.region import REGION, copy_region

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
        A run folder, one of its models, or a detector's folder (with ``images``).
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
        Where the format is unknown, there are no images, the folder holds another network that
        would be read, or the file does not say what the network says; then it is removed.
    """
    if to not in get_args(Format):
        raise GreenstickError(
            f"There is no format {to!r}.", remedy=f"Choose of {', '.join(get_args(Format))}."
        )
    folder = find_model(Path(model))
    _check_place(Path(output), to)
    if is_detector(folder / CARD):
        return _export_detector(folder, to, Path(output), images)
    if (folder / KIND).is_file():
        raise GreenstickError(
            f"{folder} holds a model of healthy images alone, which is ONNX only.",
            remedy=f"Take its {NETWORK}.",
        )
    network, card = load_checkpoint(folder)
    if to == "openvino-bf16":
        card = card.model_copy(update={"precision": "bf16"})
    path = Path(output) / f"model.{_ENDINGS.get(to, 'xml')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    size = card.canvas_px
    canvases, where = _canvases(folder, size, images, "valid", _CHECKED)
    seen = canvases
    if to == "onnx":
        export_onnx(network, size, path)
    elif to in ("openvino", "openvino-bf16"):
        export_openvino(network, size, path)
    elif to == "torchscript":
        export_torchscript(network, size, path)
    else:
        seen = _canvases(folder, size, images, "train", _QUANTIZED)[0]
        export_int8(network, size, path, seen)
    held = to not in _COARSE
    differences = _checked(path, network, canvases, card.precision, held=held)
    write_card(path.parent, card)
    copy_region(folder / REGION, path.parent)
    bring_familiar(folder, path, seen if to in _COARSE else None, card.precision)
    return Exported(path, differences, len(canvases), where)


def _check_place(output: Path, to: str) -> None:
    """Refuse a folder in which another network would be read in place of the export."""
    if to.startswith("openvino") and (output / NETWORK).is_file():
        raise GreenstickError(
            f"{output} holds a {NETWORK}, which would be read in place of the export.",
            remedy="Choose another folder with -o.",
        )


def _export_detector(folder: Path, to: str, output: Path, images: Path | None) -> Exported:
    """Write a detector as OpenVINO's files; its own ONNX file lies in its folder already.

    Its canvases, or their tiles, are those of the images given. Which boxes a set detector makes
    of nearly equal queries may change with the last digit, so it is not held to a bound.
    """
    if to in ("onnx", "torchscript"):
        raise GreenstickError(
            f"A detector is not exported to {to}.",
            remedy=f"Take its {NETWORK} as it is, or one of openvino, openvino-bf16 and "
            "openvino-int8.",
        )
    network, card = load_detector(folder)
    if to == "openvino-bf16":
        card = card.model_copy(update={"precision": "bf16"})
    path, size, names = output / "model.xml", card.seen_px, Detections._fields
    most = _QUANTIZED if to == "openvino-int8" else _CHECKED
    canvases, where = _canvases(folder, card.canvas_px, images, "train", most)
    corners = tile_corners(card.canvas_px, size)
    tiles = np.concatenate([canvases[:, y : y + size, x : x + size] for x, y in corners])
    seen = tiles[:: -(-len(tiles) // most)]
    if to == "openvino-int8":
        export_int8(network, size, path, seen, outputs=names)
    else:
        export_openvino(network, size, path, outputs=names)
    held = to not in _COARSE and not network.sets
    differences = _checked(path, network, seen[:_CHECKED], card.precision, held=held)
    write_card(output, card)
    bring_familiar(folder, path, seen if to in _COARSE else None, card.precision)
    return Exported(path, differences, min(len(seen), _CHECKED), where)


def _checked(
    path: Path, network: nn.Module, canvases: NDArray[np.uint8], precision: Precision, *, held: bool
) -> dict[str, float]:
    """Return how far the file is from the network; one ``held`` to a bound and beyond it goes."""
    differences = check_export(path, network, canvases, precision=precision)
    if held and differences["logits"] > _TOLERANCE:
        path.unlink()
        raise GreenstickError(
            f"The exported network's logits differ by {differences['logits']:.2g}.",
            remedy="Choose another format, and tell the authors the backbone's name.",
        )
    return differences


def _canvases(
    folder: Path, size: int, images: Path | None, split: str, most: int
) -> tuple[NDArray[np.uint8], str]:
    if images:
        films, where = [_Film(path) for path in walk([images], [])], str(images)
    else:
        films, where = _of_run(folder, split)
    step = max(1, len(films) // most)
    canvases = []
    for film in films[::step]:
        try:
            radiograph = open_region(film.path, size, film.region)
        except GreenstickError:
            continue
        canvases.append(fit(radiograph, size, film.region)[0])
        if len(canvases) == most:
            break
    if not canvases:
        raise GreenstickError(
            "There are no radiographs to check the export on.",
            remedy="Give some with --images FOLDER.",
        )
    return np.stack(canvases), where


@dataclass(frozen=True)
class _Film:
    path: Path
    region: Region | None = None


def _of_run(folder: Path, split: str) -> tuple[list[_Film], str]:
    run = folder.parent.parent
    if not (run / "cohort.parquet").is_file() or not (run / "splits.parquet").is_file():
        return [], ""
    cohort = read_cohort(run / "cohort.parquet")
    mine = pl.read_parquet(run / "splits.parquet").filter(split=split).select("image").unique()
    rows = cohort.with_table(cohort.table.join(mine, on="image", how="semi"))
    films = map(_Film, rows.paths(), regions_of(rows.table) or repeat(None))
    return [film for film in films if film.path.is_file()], f"{split} rows of the run"
