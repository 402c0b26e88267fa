"""PNG, JPEG and TIFF files, by Pillow."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, TiffImagePlugin

from greenstick.errors import GreenstickError
from greenstick.radiographs.cut_jpeg import is_cut_jpeg
from greenstick.radiographs.decoding import decoding
from greenstick.radiographs.levels import MAX_PIXELS, to_unit
from greenstick.radiographs.radiograph import WHOLE, Radiograph, Reduction
from greenstick.radiographs.reducing import JPEG_HALVINGS, halvings, jpeg_reduction

_FORMATS = ("PNG", "JPEG", "TIFF")
#: What Pillow raises at a broken file.
_FAULTS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, MemoryError,
    struct.error, zlib.error,
)  # fmt: skip
_GRAY_MODES = ("1", "L", "I;16", "I;16B", "I;16L", "I", "F")
_PHOTOMETRIC, _SUBFILE, _MIN_IS_WHITE = 262, 254, 0

#: A pixel is colored where its channels differ by more than this (of 255). JPEG's coding leaves
#: a gray film with differences of a few levels.
_CHROMA_LEVELS = 24
#: A picture is colored where more than this share of its pixels is. Colored marks that a viewer
#: burned into a film stay below it.
_COLORED_SHARE = 0.05


def open_raster(path: Path, at_least_px: int | None = None) -> Radiograph:
    """Open a PNG, JPEG or TIFF file; see :func:`greenstick.radiographs.opening.open_radiograph`.

    EXIF orientation is applied first, so sizes and coordinates are those that a viewer shows.
    Color becomes luminance (ITU-R 601), transparency black, and min-is-white TIFF is inverted.
    Gray levels are scaled as :func:`greenstick.radiographs.levels.to_unit` says; RGB of 16 bits
    keeps its upper 8.

    Raises
    ------
    GreenstickError
        Where the file does not decode to its last row, holds several pages, or is too large.
    """
    try:
        with decoding(), Image.open(path, formats=_FORMATS) as image:
            return _read(image, path, at_least_px)
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except _FAULTS as error:
        raise GreenstickError(
            f"{path.name} does not decode to its last row ({_short(error, path)}).",
            remedy="Fetch the file again from its source, or leave it out.",
        ) from None


def _read(image: Image.Image, path: Path, at_least_px: int | None) -> Radiograph:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(path)
    _refuse_pages(image, path)
    size = _as_shown((width, height), image)
    reduction = _draft(image, at_least_px)
    inverted = _is_min_white(image)
    image.load()
    if image.format == "JPEG" and _is_cut(image, path, reduction.factor):
        raise OSError("truncated before its end mark")
    shown = ImageOps.exif_transpose(image)
    gray, colored = _to_gray(shown, path)
    pixels = to_unit(gray)
    if inverted:
        pixels = np.float32(1.0) - pixels
    pixels.flags.writeable = False
    return Radiograph(pixels, size, "pillow", reduction=reduction, is_color=colored)


def _draft(image: Image.Image, at_least_px: int | None) -> Reduction:
    """Tell libjpeg what to decode; other formats are not touched.

    Y, Cb and Cr as stored: Y is the luminance, and the way to RGB and back is saved. And 1/8,
    1/4 or 1/2 of the size where that is enough, which skips most of the inverse transform.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return WHOLE
    if _orientation(image) != 1:
        at_least_px = None  # turned, a block that is not full would come first
    times = halvings(image.size, at_least_px, most=JPEG_HALVINGS)
    image.draft("YCbCr", (max(1, image.width >> times), max(1, image.height >> times)))
    return jpeg_reduction(times)


def _to_gray(image: Image.Image, path: Path) -> tuple[NDArray[Any], bool]:
    """Return gray values (8 bits for color) and whether the picture is colored."""
    if image.mode in _GRAY_MODES:
        values = np.asarray(image)
        return values if values.dtype != np.dtype(">u2") else values.astype(np.uint16), False
    if image.mode == "YCbCr":
        return np.asarray(image.getchannel(0)), _is_colored(image)
    if image.mode in ("LA", "La"):
        gray, alpha = image.convert("LA").split()
        return np.asarray(_over_black(gray, alpha)), False
    if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK"):
        return _from_color(image)
    raise GreenstickError(
        f"{path.name} has pixels of the kind {image.mode!r}.",
        remedy="Save it as gray, 8 or 16 bits.",
    )


def _from_color(image: Image.Image) -> tuple[NDArray[Any], bool]:
    transparent = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    rgb = image.convert("RGBA" if transparent else "RGB")
    gray = rgb.convert("L")
    if transparent:
        gray = _over_black(gray, rgb.getchannel("A"))
    return np.asarray(gray), _is_colored(rgb)


def _is_colored(image: Image.Image) -> bool:
    """Look at every fourth pixel of every fourth row (all of a small picture)."""
    step = 4 if min(image.size) >= 64 else 1
    few = image.resize(
        (max(1, image.width // step), max(1, image.height // step)), Image.Resampling.NEAREST
    )
    rgb = np.asarray(few.convert("RGB"), dtype=np.int16)
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    return bool((spread > _CHROMA_LEVELS).mean() > _COLORED_SHARE)


def _over_black(gray: Image.Image, alpha: Image.Image) -> Image.Image:
    return Image.composite(gray, Image.new("L", gray.size, 0), alpha)


def _is_cut(image: Image.Image, path: Path, factor: int) -> bool:
    def decode(content: bytes) -> NDArray[np.uint8]:
        with Image.open(BytesIO(content), formats=("JPEG",)) as other:
            other.draft(image.mode, (max(1, other.width // factor), max(1, other.height // factor)))
            return np.asarray(other.getchannel(0))

    values = np.asarray(image.getchannel(0))
    return is_cut_jpeg(path.read_bytes(), values, decode, filler=128)


def _is_min_white(image: Image.Image) -> bool:
    """Whether white is stored as 0 in a way that Pillow leaves as it is (it inverts 1, L)."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.mode in ("1", "L"):
        return False
    return bool(image.tag_v2.get(_PHOTOMETRIC) == _MIN_IS_WHITE)


def _refuse_pages(image: Image.Image, path: Path) -> None:
    pages = getattr(image, "n_frames", 1)
    if image.format in ("JPEG", "MPO") or pages == 1:
        return
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        pages = _count_full_pages(image, pages)
    if pages > 1:
        raise GreenstickError(
            f"{path.name} holds {pages} pictures.", remedy="Save each as a file of its own."
        )


def _count_full_pages(image: TiffImagePlugin.TiffImageFile, pages: int) -> int:
    """Count pages that are not marked as a reduced copy of another (a thumbnail)."""
    full = 0
    for page in range(pages):
        image.seek(page)
        full += not int(image.tag_v2.get(_SUBFILE, 0)) & 1
    image.seek(0)
    return full


def _as_shown(size: tuple[int, int], image: Image.Image) -> tuple[int, int]:
    return (size[1], size[0]) if _orientation(image) >= 5 else size


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(0x0112, 1))


def _too_large(path: Path) -> GreenstickError:
    return GreenstickError(
        f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels.",
        remedy="Scale it down first, or check that it is a radiograph.",
    )


def _short(error: Exception, path: Path) -> str:
    text = (str(error).splitlines() or [""])[0].replace(str(path), path.name)
    if "truncated" in text.lower():
        return "it is cut short"
    return text[:120] or type(error).__name__
