"""From stored DICOM values to what a display shows (PS3.3 C.7.6.3, C.11.1, C.11.2)."""

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut

from greenstick.radiographs.levels import stretch

Floats = NDArray[np.float64]
#: Rows that are looked up at a time: what they need stays in the processor's cache.
_ROWS = 32


def maps_alone(file: pydicom.Dataset) -> bool:
    """Say whether each value is shown alike whatever else the image holds.

    Then an image that was decoded at a reduced size is shown as the whole one is.
    """
    if file.get("PixelPaddingValue") is not None:
        return False  # mixed with its neighbors, padding cannot be told any more
    return bool(file.get("VOILUTSequence")) or _has_window(file)


def is_inverted(file: pydicom.Dataset) -> bool:
    """Say whether the least value is to be shown as white."""
    shape = str(file.get("PresentationLUTShape") or "").strip().upper()
    if shape in ("INVERSE", "IDENTITY"):
        return shape == "INVERSE"
    return str(file.PhotometricInterpretation) == "MONOCHROME1"


def show(
    stored: NDArray[Any], file: pydicom.Dataset, seen: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Return float32 pixels in [0, 1], bone bright.

    Modality LUT, then VOI LUT, else the first window, else from the least to the greatest
    value; then inverted where the file says so. A window that shows the whole image as one gray
    is not believed. Padding, and what is not seen, becomes black.

    Parameters
    ----------
    stored
        Integer values of shape (height, width), as decoded.
    file
        The file's elements.
    seen
        Which pixels lie within the display shutter; None: all.
    """
    low, high = int(stored.min()), int(stored.max())
    # Every step maps a value alone: a table of the values is quicker than the image.
    table = np.arange(low, high + 1)
    padding = _padding(stored, file)
    is_padding = np.zeros(table.shape, np.bool_) if padding is None else _within(table, padding)
    counts = ~is_padding
    if seen is not None or not maps_alone(file):
        occurs = np.zeros(table.shape, np.bool_)
        occurs[_places(stored if seen is None else stored[seen], low)] = True
        counts &= occurs  # a value that does not occur has no say in the range
    measured = np.asarray(apply_modality_lut(table, file), dtype=np.float64)
    shown = _voi(measured, file, counts)
    if is_inverted(file):
        shown = 1.0 - shown
    shown[is_padding] = 0.0
    pixels = _looked_up(shown.astype(np.float32), stored, low)
    if seen is not None:
        pixels[~seen] = 0.0
    return pixels


def _looked_up(table: NDArray[np.float32], stored: NDArray[Any], low: int) -> NDArray[np.float32]:
    """Return the table's entries of stored values; some rows at a time, to save memory."""
    pixels = np.empty(stored.shape, np.float32)
    for first in range(0, len(stored), _ROWS):
        rows = slice(first, first + _ROWS)
        # No place is out of the table: "clip" saves a look for one.
        np.take(table, _places(stored[rows], low), out=pixels[rows], mode="clip")
    return pixels


def _places(stored: NDArray[Any], low: int) -> NDArray[np.intp]:
    # Wide at once: the difference of two signed values may not fit their own type.
    places: NDArray[np.intp] = np.subtract(stored, low, dtype=np.intp)
    return places


def _voi(values: Floats, file: pydicom.Dataset, counts: NDArray[np.bool_]) -> Floats:
    """Map modality values to [0, 1]."""
    shown: Floats | None = None
    if file.get("VOILUTSequence"):
        shown = _by_table(values, file.VOILUTSequence[0], file)
    elif _has_window(file):
        shown = _by_window(values, file)
    if shown is None or (counts.any() and np.ptp(shown[counts]) == 0.0):
        return stretch(values, counts).astype(np.float64)
    return shown


def _has_window(file: pydicom.Dataset) -> bool:
    return file.get("WindowWidth") is not None and file.get("WindowCenter") is not None


def _by_table(values: Floats, item: pydicom.Dataset, file: pydicom.Dataset) -> Floats | None:
    """Look values up in a VOI LUT, scaled from its least to its greatest entry."""
    count, first, _ = (int(part) for part in item.LUTDescriptor)
    if first >= 2**15 and values.min() < 0:
        first -= 2**16  # its sign is that of the values, which a reader of its bytes cannot know
    data = item["LUTData"].value
    order = ">" if file.original_encoding == (False, False) else "<"
    entries = np.frombuffer(data, f"{order}u2") if isinstance(data, bytes) else np.asarray(data)
    entries = entries[: count or 2**16]
    if entries.size == 0 or entries.min() == entries.max():
        return None
    index = np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.int64)
    return np.asarray((entries[index] - float(entries.min())) / float(np.ptp(entries)))


def _by_window(values: Floats, file: pydicom.Dataset) -> Floats | None:
    """Apply the first window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    center, width = _first(file.WindowCenter), _first(file.WindowWidth)
    function = str(file.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function == "SIGMOID" and width > 0:
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -60, 60))))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width > 1:
        return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)
    return None


def _first(value: Any) -> float:
    """Return the first of one or several values."""
    several = isinstance(value, pydicom.multival.MultiValue)
    return float(value[0] if several else value)


def _padding(stored: NDArray[Any], file: pydicom.Dataset) -> tuple[int, int] | None:
    """Return the range (ends included) of stored values that mean 'no image here', or None."""
    value = file.get("PixelPaddingValue")
    if value is None:
        return None
    limit = file.get("PixelPaddingRangeLimit")
    ends = [_as_stored(v, stored.dtype) for v in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _as_stored(value: Any, dtype: np.dtype[Any]) -> int:
    """Read a padding value with the sign of the pixels (files often get its VR wrong)."""
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little")
    number = int(value)
    if dtype.kind == "i" and number >= 2 ** (8 * dtype.itemsize - 1):
        return number - int(2 ** (8 * dtype.itemsize))
    if dtype.kind == "u" and number < 0:
        return number + int(2 ** (8 * dtype.itemsize))
    return number


def _within(values: NDArray[Any], ends: tuple[int, int]) -> NDArray[np.bool_]:
    return (values >= ends[0]) & (values <= ends[1])
