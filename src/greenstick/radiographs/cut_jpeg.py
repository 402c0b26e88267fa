"""Tell a JPEG of whose data a part is missing, which libjpeg only warns of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
#: Where any gray may stand for missing data, so many equal pixels at the end look like it.
_FLAT_PX = 8
#: So many bytes hold a pixel that is seen: the last blocks may lie beyond the edges, or be color.
_LAST_BYTES = 64

Values = NDArray[Any]


def is_cut_jpeg(
    content: bytes,
    values: Values,
    decode: Callable[[bytes], Values],
    *,
    filler: int | None = None,
) -> bool:
    """Say whether a JPEG's pixels are not all its own.

    Where data are missing, the picture ends before its data do, or the data before their picture:
    libjpeg leaves what is over, or fills the rest with one gray. So a file is decoded again with
    more or with less before its end mark. More changes the picture of a file whose data ended too
    early, and of no whole one; less changes a whole one, and not one that left data over.

    Parameters
    ----------
    content
        The JPEG.
    values
        (height, width): what it was decoded to.
    decode
        Decodes a JPEG as ``values`` were.
    filler
        The gray that stands for missing data; None (lossless coding) where it may be any, and what
        is left over is not looked for.
    """
    start, end = _scan(content)
    last = values[-1, -1:] if filler is not None else values[-1, -_FLAT_PX:]
    if last.min() == last.max() and filler in (None, int(last[0])):
        longer = content[:end] + bytes(range(1, 255)) * 8 + content[end:]
        return not np.array_equal(decode(longer), values)
    if filler is None:
        return False
    data = content[:end].rstrip(b"\xff\x00")  # some encoders fill up
    shorter = data[: max(start, len(data) - _LAST_BYTES)] + _END
    return np.array_equal(decode(shorter), values)


def _scan(content: bytes) -> tuple[int, int]:
    """Return where the first scan begins, and where the picture's end mark stands."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:  # segments may hold a whole thumbnail
        if content[at + 1] == 0xFF:
            at += 1
            continue
        if content[at + 1] == _START_OF_SCAN:
            end = content.find(_END, at)
            return at, len(content) if end < 0 else end
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return len(content), len(content)
