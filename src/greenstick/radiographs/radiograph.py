"""One file becomes one :class:`Radiograph`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A radiograph as pixels, and what its file says of it.

    Attributes
    ----------
    pixels
        float32 of shape (height, width) in [0, 1]; bone is bright. Never written to.
    original_size_px
        (width, height) of the image in the file. ``pixels`` may be smaller where the file was
        decoded at a reduced size.
    decoder
        Which decoder gave the pixels, e.g. ``"pillow"``.
    spacing_mm
        (row, column) spacing of the original's pixels in mm, or None where the file is silent.
    body_part, view, laterality, modality
        As the file says, or None.
    patient
        The file's patient identifier, or None. Never logged.
    is_color
        Whether the file's pixels carry color (a photograph or a screenshot, most likely).
    """

    pixels: NDArray[np.float32]
    original_size_px: tuple[int, int]
    decoder: str
    spacing_mm: tuple[float, float] | None = None
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    modality: str | None = None
    patient: str | None = None
    is_color: bool = False


def open_radiograph(path: Path | str, *, at_least_px: int | None = None) -> Radiograph:
    """Open a PNG, JPEG, TIFF, 2-D NIfTI or DICOM file as a radiograph.

    The format is told by the file's content, not by its name.

    Parameters
    ----------
    path
        The file.
    at_least_px
        Where given, the decoder may give a reduced image, as long as its longer side is not
        below this (JPEG at 1/2, 1/4 or 1/8). None decodes every pixel.

    Raises
    ------
    GreenstickError
        Where the file is missing, is none of these formats, is not a single 2-D image, or does
        not decode to its last row.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There is no file {path}.", remedy="Check the path.")
    return _decoder_for(path)(path, at_least_px)


Decoder = Callable[[Path, int | None], Radiograph]
