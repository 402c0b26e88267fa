"""Plain DICOM radiographs through pydicom."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from greenstick.errors import GreenstickError
from greenstick.radiographs.radiograph import Radiograph

#: Modalities that hold projection radiographs.
RADIOGRAPHY = ("CR", "DX", "RG")


def is_dicom(head: bytes) -> bool:
    """Return whether a file that starts so is DICOM."""
    return head[128:132] == b"DICM"


def decode_dicom(path: Path, at_least_px: int | None) -> Radiograph:  # noqa: ARG001 - no reduced decoding yet
    """Decode a single-frame CR or DX image as a viewer shows it: bone bright, windowed.

    Modality LUT or rescale, then VOI LUT or the first window, then MONOCHROME1 inverted.

    Raises
    ------
    GreenstickError
        Where the file is no radiograph (the modality is named), holds no or several frames, is
        damaged, or no decoder knows its compression.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote values, which may name a patient
        dataset = _read(path)
        _refuse_others(dataset, path)
        levels = _levels(dataset, path)
    return Radiograph(
        pixels=_unit_range(levels, inverted=dataset.PhotometricInterpretation == "MONOCHROME1"),
        original_size_px=(int(dataset.Columns), int(dataset.Rows)),
        decoder=f"pydicom ({dataset.file_meta.TransferSyntaxUID.name})",
        spacing_mm=_spacing(dataset),
        body_part=_text(dataset, "BodyPartExamined"),
        view=_text(dataset, "ViewPosition"),
        laterality=_text(dataset, "ImageLaterality") or _text(dataset, "Laterality"),
        modality=_text(dataset, "Modality"),
        patient=_text(dataset, "PatientID"),
    )


def _read(path: Path) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path)
    except (InvalidDicomError, OSError, ValueError, KeyError, TypeError, NotImplementedError):
        raise GreenstickError(
            f"{path.name} is damaged DICOM.", remedy="Export or copy it again."
        ) from None


def _refuse_others(dataset: pydicom.Dataset, path: Path) -> None:
    modality = _text(dataset, "Modality") or "unknown"
    reason = None
    if modality not in RADIOGRAPHY:
        reason = f"is of modality {modality}, no radiograph (CR or DX)"
    elif "PixelData" not in dataset:
        reason = "holds no pixels"
    elif int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        reason = f"holds {dataset.NumberOfFrames} frames"
    elif dataset.get("SamplesPerPixel", 1) != 1:
        reason = "is in color"
    if reason:
        raise GreenstickError(f"{path.name} {reason}.", remedy="Give single-frame CR or DX images.")


def _levels(dataset: pydicom.Dataset, path: Path) -> NDArray[np.float32]:
    try:
        stored = dataset.pixel_array
        shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset, index=0)
    except Exception as error:  # noqa: BLE001 - each decoder raises what it likes
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise GreenstickError(
            f"{path.name} does not decode ({dataset.file_meta.TransferSyntaxUID.name}: {first}).",
            remedy="Export it uncompressed, or check that it is whole.",
        ) from None
    return np.asarray(shown, dtype=np.float32)


def _unit_range(levels: NDArray[np.float32], *, inverted: bool) -> NDArray[np.float32]:
    low, high = float(levels.min()), float(levels.max())
    pixels = (levels - np.float32(low)) / np.float32(max(high - low, 1e-12))
    return np.asarray(1.0 - pixels if inverted else pixels, dtype=np.float32)


def _spacing(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    values: Any = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    if not values or not all(float(value) > 0 for value in values):
        return None
    return float(values[0]), float(values[1])


def _text(dataset: pydicom.Dataset, keyword: str) -> str | None:
    return str(dataset.get(keyword, "") or "").strip() or None
