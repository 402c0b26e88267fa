"""One file becomes one :class:`Radiograph`; the format is told by its content."""

from collections.abc import Callable
from pathlib import Path

from greenstick.errors import GreenstickError
from greenstick.radiographs.dicom import decode_dicom, is_dicom
from greenstick.radiographs.nifti import decode_nifti, is_nifti
from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.raster import decode_raster, is_raster

Decoder = Callable[[Path, int | None], Radiograph]

#: Each format: does a file of these first bytes belong to it, and who decodes it. In this order.
FORMATS: dict[str, tuple[Callable[[bytes], bool], Decoder]] = {
    "DICOM": (is_dicom, decode_dicom),  # first: its preamble may look like a TIFF
    "PNG, JPEG or TIFF": (is_raster, decode_raster),
    "NIfTI": (is_nifti, decode_nifti),
}
_HEAD_BYTES = 352  # a NIfTI header; DICOM's mark ends at 132


def open_radiograph(path: Path | str, *, at_least_px: int | None = None) -> Radiograph:
    """Open a PNG, JPEG, TIFF, 2-D NIfTI or DICOM file as a radiograph.

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
        raise GreenstickError(f"There is no file {path.name}.", remedy="Check the path.")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise GreenstickError(f"{path.name} is empty.", remedy="Copy the file again.")
    for belongs, decode in FORMATS.values():
        if belongs(head):
            return decode(path, at_least_px)
    raise GreenstickError(
        f"{path.name} is no image that Greenstick knows.",
        remedy=f"It reads {', '.join(FORMATS)}.",
    )
