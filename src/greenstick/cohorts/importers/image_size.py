"""The size of an image, from its header alone where the format allows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from greenstick.errors import GreenstickError
from greenstick.radiographs.opening import open_radiograph

_ORIENTATION = 0x0112  # the EXIF tag
_THREADS = 8  # most of the work is waiting for a disk


def image_sizes_px(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Return (width, height) of each image as a viewer shows it.

    Raises
    ------
    GreenstickError
        Where a file cannot be opened.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(_size_px, paths))


def _size_px(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5  # by 90 or 270 degrees
            return (image.height, image.width) if turned else image.size
    except UnidentifiedImageError:
        return open_radiograph(path).original_size_px  # DICOM, NIfTI
    except (OSError, SyntaxError, ValueError) as error:
        raise GreenstickError(
            f"The size of {path} cannot be read ({type(error).__name__}).",
            remedy="Its boxes are shares of the image and need it: mend the file, or move it away.",
        ) from None
