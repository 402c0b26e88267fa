"""Tell a JPEG whose data end before its end mark, which libjpeg only warns of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_END = b"\xff\xd9"


def is_cut_jpeg(
    content: bytes,
    values: NDArray[Any],
    decode: Callable[[bytes], NDArray[Any]],
    *,
    filler: int | None = None,
) -> bool:
    """Say whether a JPEG's pixels are not all its own.

    libjpeg fills what is missing with one gray. Where the last row is such, the file is decoded
    again with further data before its end mark: these change the picture of a file that is cut,
    and of no whole one.

    Parameters
    ----------
    content
        The JPEG.
    values
        (height, width): what it was decoded to.
    decode
        Decodes a JPEG as ``values`` were.
    filler
        The gray that stands for missing data; None where it may be any.
    """
    last = values[-1]
    if last.min() != last.max() or (filler is not None and int(last[0]) != filler):
        return False
    end = content.rfind(_END)
    longer = content[:end] + bytes(range(1, 255)) * 8 + content[end:]
    return not np.array_equal(decode(longer), values)
