"""From stored gray values of any type to float32 in [0, 1]."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Above this many pixels a file is refused: the largest scanned films have about 100 million.
MAX_PIXELS = 120_000_000


def to_unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Scale gray values to [0, 1].

    - bool and uint8: by the type's full range.
    - uint16: by the fewest bits (8 to 16) that hold the image's greatest value. A 12-bit film
      stored in 16 bits would else be almost black, and a min-max stretch would make a
      well and an ill exposed film look alike.
    - all other types (signed, 32-bit, float), whose range means nothing: from the least to
      the greatest finite value; what is not finite becomes 0.

    Parameters
    ----------
    values
        Gray values of any shape.
    """
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype == np.uint8:
        return _times(values, 1.0 / 255.0)
    if values.dtype == np.uint16:
        return _times(values, 1.0 / full_scale(values))
    return stretch(values)


def _times(values: NDArray[Any], factor: float) -> NDArray[np.float32]:
    return np.asarray(np.multiply(values, np.float32(factor), dtype=np.float32))


def full_scale(values: NDArray[np.uint16]) -> int:
    """Return 2^bits - 1 for the fewest bits, 8 to 16, that hold the greatest value."""
    greatest = int(values.max(initial=0))
    return int(2 ** max(8, greatest.bit_length()) - 1)


def stretch(values: NDArray[Any], counts: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Scale from the least to the greatest finite value; a constant image becomes 0.

    Parameters
    ----------
    values
        Gray values of any shape.
    counts
        Where False, a value has no say in the range (padding).
    """
    finite = np.isfinite(values) if values.dtype.kind == "f" else None
    counted = [part for part in (finite, counts) if part is not None]
    said = values[np.logical_and.reduce(counted)] if counted else values
    if said.size == 0 or said.min() == said.max():
        return np.zeros(values.shape, np.float32)
    low, high = float(said.min()), float(said.max())
    # Doubles only where single precision would lose steps of the file's own.
    wide = np.dtype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    scaled: NDArray[Any] = np.subtract(values, low, dtype=wide)
    scaled /= high - low
    if finite is not None:
        scaled[~finite] = 0.0
    np.clip(scaled, 0.0, 1.0, out=scaled)
    return scaled.astype(np.float32, copy=False)
