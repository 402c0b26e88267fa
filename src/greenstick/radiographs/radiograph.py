"""The radiograph: pixels, and what its file says of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenstick.findings import Finding


@dataclass(frozen=True)
class Reduction:
    """How a decoder kept fewer pixels than the original has.

    Attributes
    ----------
    factor
        By how much they are fewer, along each side: 1, 2, 4, ...
    first_at
        Where the middle of the first lies, in pixels of the original from its edge: at 0.5 in a
        wavelet's low band, which stands on every n-th pixel, at factor / 2 where each stands for
        a block.
    boost
        By how much fine structure is stronger than in the original: its amplitude is multiplied by
        1 + boost w^2, w its frequency in radians a kept pixel.
    """

    factor: int = 1
    first_at: float = 0.5
    boost: float = 0.0


#: All of an image's pixels.
WHOLE = Reduction()


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
    reduction
        How ``pixels`` are fewer than the original's.
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
    reduction: Reduction = WHOLE
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
