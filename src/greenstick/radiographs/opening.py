"""One file becomes one :class:`~greenstick.radiographs.radiograph.Radiograph`."""

import math
from collections.abc import Callable, Collection
from pathlib import Path

from greenstick.errors import GreenstickError
from greenstick.files import NoPlainFileError, open_plain
from greenstick.radiographs.dicom import open_dicom
from greenstick.radiographs.nifti import open_nifti
from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.raster import open_raster
from greenstick.radiographs.region import Region

Decoder = Callable[[Path, int | None], Radiograph]

#: The formats that are read, told by the file's first bytes: (offset, bytes, decoder).
_SIGNS: tuple[tuple[int, bytes, Decoder], ...] = (
    (128, b"DICM", open_dicom),  # first: a DICOM file's preamble may make it a TIFF as well
    (0, b"\xff\xd8\xff", open_raster),  # JPEG
    (0, b"\x89PNG\r\n\x1a\n", open_raster),
    (0, b"II*\0", open_raster),  # TIFF, little-endian, and big
    (0, b"MM\0*", open_raster),
    (0, b"II+\0", open_raster),  # BigTIFF
    (0, b"MM\0+", open_raster),
    (0, b"\x08\0\x05\0", open_dicom),  # DICOM without its preamble
    (0, b"\x02\0\0\0", open_dicom),
    (344, b"n+1\0", open_nifti),
    (4, b"n+2\0", open_nifti),
    (0, b"\x1f\x8b", open_nifti),  # gzip: a .nii.gz, or said not to be one
)

#: What people also hand in, so that the reason can name it.
_STRANGERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftyp", "a HEIF picture or a video"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"version https://git-lfs", "a pointer to a file that Git LFS has not fetched"),
    (344, b"ni1\0", "the header of a two-file NIfTI image"),
)
_SNIFF_BYTES = 352


def open_radiograph(
    path: Path | str, *, at_least_px: int | None = None, accept: Collection[str] = ()
) -> Radiograph:
    """Open a PNG, JPEG, TIFF, 2-D NIfTI or DICOM file as a radiograph.

    The format is told by the file's content, not by its name.

    Parameters
    ----------
    path
        The file.
    at_least_px
        Where given, the decoder may give a reduced image, as long as its longer side is not
        below this (JPEG at 1/2, 1/4 or 1/8, JPEG 2000 at any power of two, within DICOM too).
        None decodes every pixel.
    accept
        Modalities of DICOM files that are read besides those of plain radiographs; see
        :data:`greenstick.radiographs.dicom.BY_CHOICE`.

    Raises
    ------
    GreenstickError
        Where the file is missing, is none of these formats, is not a single 2-D gray image of
        a projection radiograph, or does not decode to its last row.
    """
    path = Path(path)
    head = _first_bytes(path)
    for offset, sign, decoder in _SIGNS:
        if head[offset : offset + len(sign)] == sign:
            if decoder is open_dicom:
                return open_dicom(path, at_least_px, accept=accept)
            return decoder(path, at_least_px)
    raise GreenstickError(
        f"{path.name} is {_what(head)}, not a PNG, JPEG, TIFF, NIfTI or DICOM image.",
        remedy="Export the radiograph in one of these formats.",
    )


def open_region(
    path: Path | str, canvas_px: int, region: Region | None, *, accept: Collection[str] = ()
) -> Radiograph:
    """Open a file with as many pixels as a canvas of a region of it needs.

    Parameters
    ----------
    path, accept
        As of :func:`open_radiograph`.
    canvas_px
        Side of the canvas that is fitted next.
    region
        What it will show; None: all.

    Raises
    ------
    GreenstickError
        As :func:`open_radiograph`.
    """
    radiograph = open_radiograph(path, at_least_px=canvas_px, accept=accept)
    if region is None or radiograph.reduction.factor == 1:
        return radiograph
    times = max(radiograph.original_size_px) / max(region.width, region.height)
    needed_px = math.ceil(canvas_px * times)
    if needed_px <= canvas_px:
        return radiograph
    return open_radiograph(path, at_least_px=needed_px, accept=accept)


def _first_bytes(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            return file.read(_SNIFF_BYTES)
    except (FileNotFoundError, ValueError):  # ValueError: a zero byte, which no name has
        raise GreenstickError(f"There is no file {path}.", remedy="Check the path.") from None
    except NoPlainFileError:
        if path.is_dir():
            raise GreenstickError(f"{path} is a folder.", remedy="Give a file in it.") from None
        raise GreenstickError(f"{path} is not a file of its own.", remedy="Give a file.") from None
    except OSError as error:
        raise GreenstickError(
            f"{path} cannot be opened ({error.strerror}).", remedy="Check that you may read it."
        ) from None


def _what(head: bytes) -> str:
    if not head:
        return "an empty file"
    for offset, sign, name in _STRANGERS:
        if head[offset : offset + len(sign)] == sign:
            return name
    return "of an unknown format"
