"""PNG, JPEG and TIFF through Pillow."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from greenstick.errors import GreenstickError
from greenstick.radiographs.radiograph import Radiograph

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
#: Channels of a gray image saved as JPEG differ by rounding; a photograph's differ by far more.
_COLOR_LEVELS = 24
_COLOR_SHARE = 0.01


def is_raster(head: bytes) -> bool:
    """Return whether a file that starts so is PNG, JPEG or TIFF."""
    return head.startswith(_MAGIC)


def decode_raster(path: Path, at_least_px: int | None) -> Radiograph:
    """Decode a PNG, JPEG or TIFF of 1, 8 or 16 bits, gray, palette or RGB.

    Raises
    ------
    GreenstickError
        Where the file does not decode to its last row, holds several pages, or more pixels than
        Pillow deems safe.
    """
    try:
        with Image.open(path) as image:
            return _decode(image, path, at_least_px)
    except Image.DecompressionBombError:
        raise GreenstickError(
            f"{path.name} claims more pixels than any radiograph has.",
            remedy="Check where the file comes from.",
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise GreenstickError(
            f"{path.name} does not decode to its last row ({_first_line(error)}).",
            remedy="Copy the file again from its source, or leave it out.",
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _decode(image: Image.Image, path: Path, at_least_px: int | None) -> Radiograph:
    if getattr(image, "n_frames", 1) > 1:
        raise GreenstickError(
            f"{path.name} holds {getattr(image, 'n_frames', 0)} pages.",
            remedy="Save each page as a file of its own.",
        )
    original = image.size
    turned = image.getexif().get(0x0112, 1) >= 5  # EXIF: width and height change places
    if at_least_px is not None and image.format == "JPEG":
        image.draft(None, _draft_size(original, at_least_px))
    image.load()
    upright = ImageOps.exif_transpose(image)
    pixels, is_color = _to_gray(upright)
    return Radiograph(
        pixels=pixels,
        original_size_px=(original[1], original[0]) if turned else original,
        decoder="pillow",
        is_color=is_color,
    )


def _draft_size(size: tuple[int, int], at_least_px: int) -> tuple[int, int]:
    """Return what to ask Pillow's draft mode for: it never goes below either side."""
    shrink = max(size) / at_least_px
    if shrink <= 1.0:
        return size
    return (max(1, int(size[0] / shrink)), max(1, int(size[1] / shrink)))


def _to_gray(image: Image.Image) -> tuple[NDArray[np.float32], bool]:
    """Return gray levels in [0, 1], and whether the image carries color."""
    if image.mode in ("L", "1", "LA", "La"):
        return _scaled(np.asarray(image.convert("L")), 255.0), False
    if image.mode.startswith("I;16") or image.mode == "I":
        levels = np.asarray(image).astype(np.float32)
        return _scaled(levels, 65535.0), False
    if image.mode == "F":
        return _stretched(np.asarray(image)), False
    colored = image.convert("RGB")
    return _scaled(np.asarray(colored.convert("L")), 255.0), _is_color(np.asarray(colored))


def _scaled(levels: NDArray[np.generic], top: float) -> NDArray[np.float32]:
    # 12-bit images are often saved in 16 bits: what they use is their range.
    brightest = float(levels.max(initial=0))
    if top == 65535.0 and 0 < brightest < top:
        top = float(2 ** int(np.ceil(np.log2(brightest + 1))) - 1)
    return np.clip(levels.astype(np.float32) / np.float32(top), 0.0, 1.0)


def _stretched(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(levels.min()), float(levels.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ValueError("pixels that are no numbers")
    return ((levels - low) / max(high - low, 1e-12)).astype(np.float32)


def _is_color(rgb: NDArray[np.uint8]) -> bool:
    spread = np.ptp(rgb[::4, ::4].astype(np.int16), axis=2)
    return bool((spread > _COLOR_LEVELS).mean() > _COLOR_SHARE)
