"""Look at every image once: read, digest, decode, and keep a thumbnail of it."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.files import open_plain
from greenstick.radiographs.opening import open_radiograph

#: Side of the thumbnails that copies are searched and verified on.
THUMBNAIL_PX = 64


@dataclass(frozen=True, eq=False)
class Look:
    """What one look at a file gave.

    Attributes
    ----------
    missing
        There is no such file.
    problem
        Why it does not decode to its last pixel; None where it does.
    digest
        BLAKE2b of the file's bytes (16 bytes), None for a missing file.
    size_px
        (width, height) of the original, (0, 0) where it does not decode.
    is_color
        Whether the pixels carry color.
    contrast
        Largest minus smallest gray value on the thumbnail, of a full range of 1.
    thumbnail
        uint8 of shape (THUMBNAIL_PX, THUMBNAIL_PX), stretched to its own range; the aspect
        ratio is given up, so that a copy turned by 90 degrees stays a turned thumbnail.
    """

    missing: bool = False
    problem: str | None = None
    digest: bytes | None = None
    size_px: tuple[int, int] = (0, 0)
    is_color: bool = False
    contrast: float = 0.0
    thumbnail: NDArray[np.uint8] | None = None

    @property
    def decoded(self) -> bool:
        """Whether every pixel was decoded."""
        return self.thumbnail is not None


Progress = Callable[[int, int], None]


def look_at_all(
    paths: Sequence[Path], *, workers: int | None = None, progress: Progress | None = None
) -> list[Look]:
    """Look at each file in threads (decoders release the interpreter's lock), in order."""
    looks: list[Look] = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for look in pool.map(look_at, paths):
            looks.append(look)
            if progress is not None:
                progress(len(looks), len(paths))
    return looks


def look_at(path: Path) -> Look:
    """Read, digest and decode one file."""
    try:
        content = _content(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no name of a file
        return Look(missing=True)
    except OSError as error:
        return Look(problem=f"It cannot be opened ({error.strerror}).")
    digest = hashlib.blake2b(content, digest_size=16).digest()
    try:
        radiograph = open_radiograph(path)  # the bytes come from the system's cache
    except GreenstickError as error:
        return Look(digest=digest, problem=_without_name(error.message, path))
    small = shrink(radiograph.pixels)
    low, high = float(small.min()), float(small.max())
    stretched = (small - low) / max(high - low, 1e-6)
    thumbnail = np.rint(stretched * 255.0).astype(np.uint8)
    return Look(
        digest=digest,
        size_px=radiograph.original_size_px,
        is_color=radiograph.is_color,
        contrast=high - low,
        thumbnail=thumbnail,
    )


def _content(path: Path) -> bytes:
    with open_plain(path) as file:
        return file.read()


def _without_name(message: str, path: Path) -> str:
    """Leave out the file's name: it may hold the patient's."""
    return message.replace(str(path), "The file").replace(path.name, "The file")


def shrink(pixels: NDArray[np.float32], side_px: int = THUMBNAIL_PX) -> NDArray[np.float32]:
    """Average an image into side_px by side_px cells, aspect ratio given up."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BOX), dtype=np.float32)
