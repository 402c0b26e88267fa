"""2-D NIfTI files, by nibabel."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from greenstick.errors import GreenstickError
from greenstick.radiographs.decoding import decoding
from greenstick.radiographs.levels import MAX_PIXELS, to_unit
from greenstick.radiographs.radiograph import Radiograph

_FAULTS = (
    OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError, zlib.error,
    nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError,
)  # fmt: skip


def open_nifti(path: Path, at_least_px: int | None = None) -> Radiograph:  # noqa: ARG001
    """Open a NIfTI file (.nii or .nii.gz) that holds one 2-D image.

    The first stored axis runs along a row from left to right, the second from the top row down,
    as SimpleITK writes a picture; the affine is not looked at. Axes of length one are dropped.
    Gray values are scaled as :func:`greenstick.radiographs.levels.to_unit` says.

    Raises
    ------
    GreenstickError
        Where the file is no NIfTI image, is a volume, has color or is cut short.
    """
    try:
        with decoding():
            image = _load(path)
            shape = _shape_2d(image, path)
            values = np.asarray(image.dataobj)
    except _FAULTS as error:
        raise GreenstickError(
            f"{path.name} does not decode to its last row ({type(error).__name__}).",
            remedy="Fetch the file again from its source, or leave it out.",
        ) from None
    pixels = to_unit(np.ascontiguousarray(values.reshape(shape).T))
    pixels.flags.writeable = False
    return Radiograph(pixels, shape, "nibabel", spacing_mm=_spacing(image))


def _load(path: Path) -> Any:
    # nibabel goes by the name; we go by the content.
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        with gzip.open(path) as file:
            head = file.read(352)
        if head[344:348] != b"n+1\0" and head[4:8] != b"n+2\0":
            raise GreenstickError(
                f"{path.name} is a gzip archive, not a NIfTI image.", remedy="Unpack it first."
            )
        content = _unzip(path)
    kind = nibabel.Nifti2Image if content[4:8] == b"n+2\0" else nibabel.Nifti1Image
    return kind.from_bytes(content)


def _unzip(path: Path) -> bytes:
    limit = MAX_PIXELS * 8
    with gzip.open(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise GreenstickError(
            f"{path.name} unpacks to more than {limit // 2**20} MiB.",
            remedy="Check that it is a single radiograph.",
        )
    return content


def _shape_2d(image: Any, path: Path) -> tuple[int, int]:
    """Return (width, height), or say why there is no single 2-D gray image."""
    long = [side for side in image.shape if side != 1]
    if len(long) != 2 or image.shape[0] == 1 or image.shape[1] == 1:
        raise GreenstickError(
            f"{path.name} holds a volume of shape {image.shape}, not one 2-D image.",
            remedy="A projection radiograph has two axes; export it as such.",
        )
    if image.get_data_dtype().names is not None or image.get_data_dtype().kind == "c":
        raise GreenstickError(
            f"{path.name} holds color or complex values.", remedy="Save it as gray values."
        )
    if long[0] * long[1] > MAX_PIXELS:
        raise GreenstickError(
            f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels.",
            remedy="Scale it down first, or check that it is a radiograph.",
        )
    return long[0], long[1]


def _spacing(image: Any) -> tuple[float, float] | None:
    """Return (row, column) spacing in mm; None where the header's unit is not a length."""
    per_unit = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}.get(image.header.get_xyzt_units()[0])
    if per_unit is None:
        return None
    across, down = (float(zoom) * per_unit for zoom in image.header.get_zooms()[:2])
    return (down, across) if across > 0 and down > 0 else None
