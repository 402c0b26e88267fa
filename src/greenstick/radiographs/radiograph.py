"""The radiograph: pixels, and what its file says of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenstick.findings import Finding


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
    stride
        Where pixels lie on every n-th of the original's, the first included, as a wavelet's low
        band does: n. 1 where each lies in the middle of the originals that it stands for.
    spacing_mm
        (row, column) spacing of the original's pixels in mm, or None where the file is silent.
    spacing_at
        Where the spacing holds: ``"body"`` (calibrated), ``"detector"``, ``"film"`` (a scanned
        one), ``"unstated"``; None where there is no spacing.
    body_part, view, laterality, modality
        As the file says, or None.
    orientation
        Whither a row runs and a column, e.g. ``("L", "F")``: to the left and the feet; or None.
    patient
        The file's patient identifier, or None. Never logged.
    is_color
        Whether the file's pixels carry color (a photograph or a screenshot, most likely).
    remarks
        What a reader should know of the pixels, e.g. that words are burned in.
    """

    pixels: NDArray[np.float32]
    original_size_px: tuple[int, int]
    decoder: str
    stride: int = 1
    spacing_mm: tuple[float, float] | None = None
    spacing_at: str | None = None
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    orientation: tuple[str, str] | None = None
    modality: str | None = None
    patient: str | None = None
    is_color: bool = False
    remarks: tuple[Finding, ...] = ()
