"""2-D NIfTI through nibabel."""

from pathlib import Path

import nibabel
import numpy as np

from greenstick.errors import GreenstickError
from greenstick.radiographs.radiograph import Radiograph


def is_nifti(head: bytes) -> bool:
    """Return whether a file that starts so is NIfTI-1 or NIfTI-2, or gzip (as .nii.gz is)."""
    sizes = (348, 540)
    plain = len(head) >= 4 and (
        int.from_bytes(head[:4], "little") in sizes or int.from_bytes(head[:4], "big") in sizes
    )
    return plain or head.startswith(b"\x1f\x8b")


def decode_nifti(path: Path, at_least_px: int | None) -> Radiograph:  # noqa: ARG001 - no reduced decoding
    """Decode a NIfTI file that holds one slice; its gray levels are stretched to [0, 1].

    The first axis of the array becomes the columns, as converters from DICOM write it.

    Raises
    ------
    GreenstickError
        Where it is no NIfTI file, is damaged, or holds more than one slice.
    """
    try:
        image = nibabel.nifti1.load(path)
        levels = np.squeeze(np.asarray(image.dataobj, dtype=np.float32))
    except (OSError, ValueError, EOFError, nibabel.filebasedimages.ImageFileError):
        raise GreenstickError(
            f"{path.name} does not decode as NIfTI.", remedy="Convert or copy it again."
        ) from None
    if levels.ndim != 2 or not np.isfinite(levels).all():
        raise GreenstickError(
            f"{path.name} is of shape {levels.shape}, not one radiograph.",
            remedy="Save each slice as a file of its own.",
        )
    pixels = levels.T
    low, high = float(pixels.min()), float(pixels.max())
    pixels = np.ascontiguousarray((pixels - low) / max(high - low, 1e-12), dtype=np.float32)
    columns, rows = (float(side) for side in image.header.get_zooms()[:2])
    height, width = pixels.shape
    return Radiograph(pixels, (width, height), decoder="nibabel", spacing_mm=(rows, columns))
