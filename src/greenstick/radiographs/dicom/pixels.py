"""From stored to decoded pixels: several decoders behind one function.

For each coding the first decoder that can do it is used and named. All of them are strict:
a lenient one would make a gray picture of the rest of a damaged file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from greenstick.radiographs.cut_jpeg import is_cut_jpeg
from greenstick.radiographs.dicom.codestreams import Codestream, Coding, read_header
from greenstick.radiographs.dicom.file import DicomFile
from greenstick.radiographs.radiograph import WHOLE, Reduction
from greenstick.radiographs.reducing import (
    JPEG_HALVINGS,
    halvings,
    jpeg_reduction,
    wavelet_reduction,
)

Values = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """How a file says that its pixels are stored; names as in PS3.3 C.7.6.3."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool


@dataclass(frozen=True, eq=False)
class Decoded:
    """Decoded pixels.

    Attributes
    ----------
    values
        Integers of shape (height, width).
    decoder
        Which one gave them.
    reduction
        How they are fewer than the file's.
    """

    values: Values
    decoder: str
    reduction: Reduction = WHOLE


def decode(file: DicomFile, *, at_least_px: int | None = None) -> Decoded | None:
    """Decode a file's one gray frame; None where the file holds no pixels.

    Parameters
    ----------
    file
        The file.
    at_least_px
        Where given, JPEG and JPEG 2000 may be decoded at a reduced size; see
        :mod:`greenstick.radiographs.reducing`.

    Raises
    ------
    Exception
        Whatever a decoder raises at a broken file.
    """
    layout = layout_of(file.elements)
    stored = file.stored_pixels()
    if stored is None:
        return None
    syntax = _syntax(file.elements)
    if not syntax.is_encapsulated:
        decoded = _decode_native(stored, layout, syntax, file.elements)
    elif syntax == RLELossless:
        decoded = _decode_rle(_frame(stored), layout)
    else:
        decoded = _decode_codestream(_frame(stored), layout, at_least_px)
    factor = decoded.reduction.factor
    height, width = -(-layout.rows // factor), -(-layout.columns // factor)
    if decoded.values.shape != (height, width):
        raise ValueError("The pixels are not of the size that the file says.")
    return decoded


def layout_of(elements: pydicom.Dataset) -> Layout:
    """Return how pixels are stored, as the elements say."""
    allocated = int(elements.BitsAllocated)
    bits = int(elements.get("BitsStored") or allocated)
    return Layout(
        int(elements.Rows),
        int(elements.Columns),
        allocated,
        bits,
        int(elements.get("HighBit") or bits - 1),
        bool(elements.get("PixelRepresentation") or 0),
    )


def _syntax(elements: pydicom.Dataset) -> UID:
    meta = getattr(elements, "file_meta", None) or {}
    if "TransferSyntaxUID" in meta:
        return UID(meta["TransferSyntaxUID"].value)
    _, little = elements.original_encoding
    return ImplicitVRLittleEndian if little else ExplicitVRBigEndian


def _frame(stored: bytes) -> bytes:
    return next(generate_frames(stored, number_of_frames=1))


def _decode_native(
    stored: bytes, layout: Layout, syntax: UID, elements: pydicom.Dataset
) -> Decoded:
    count = layout.rows * layout.columns
    if layout.bits_allocated not in (8, 16) or (
        layout.bits_allocated == 8 and not syntax.is_little_endian
    ):  # packed bits, 32 bits, bytes swapped in pairs
        elements.PixelData = stored
        return Decoded(elements.pixel_array, "pydicom")
    order = "<" if syntax.is_little_endian else ">"
    kind = np.dtype(f"{order}u{layout.bits_allocated // 8}")
    values = np.frombuffer(stored, kind, count).reshape(layout.rows, layout.columns)
    return Decoded(_meant(values.astype(kind.newbyteorder("="), copy=False), layout), "numpy")


def _decode_rle(frame: bytes, layout: Layout) -> Decoded:
    # The bytes of a value are stored apart; imagecodecs joins them to the type that is asked for.
    kind = np.dtype(f"<u{layout.bits_allocated // 8}")
    _check_rle(frame, kind.itemsize)
    data = imagecodecs.dicomrle_decode(frame, kind)
    count = layout.rows * layout.columns
    values = np.frombuffer(data, kind, count).reshape(layout.rows, layout.columns)
    return Decoded(_meant(values, layout), "imagecodecs RLE")


def _check_rle(frame: bytes, segments: int) -> None:
    """See that segments lie within the frame, which imagecodecs takes on trust (PS3.5 G.5)."""
    count, *offsets = np.frombuffer(frame, "<u4", 16).tolist()
    ends = [*offsets[1:count], len(frame)]
    starts = offsets[:count]
    if (
        count != segments
        or starts[0] != 64
        or any(a >= b for a, b in zip(starts, ends, strict=True))
    ):
        raise ValueError("The segments do not lie within the frame.")


def _meant(values: Values, layout: Layout) -> Values:
    """Return the bits that are the image's own: others may hold an overlay, or nothing."""
    spare, shift = 8 * values.itemsize - layout.bits_stored, layout.high_bit + 1
    if shift > layout.bits_stored:
        values = values >> (shift - layout.bits_stored)
    if spare and int(values.max()) >> layout.bits_stored:
        values = values & (2**layout.bits_stored - 1)
    return _with_sign(values, layout.bits_stored) if layout.signed else values


def _with_sign(values: Values, bits: int) -> Values:
    """Read unsigned values as two's complement of so many bits."""
    sign = 1 << (bits - 1)
    low = values & (2**bits - 1)
    extended: Values = (low.astype(np.int32) ^ sign) - sign
    return extended.astype(np.int16 if bits <= 16 else np.int32)


def _decode_codestream(frame: bytes, layout: Layout, at_least_px: int | None) -> Decoded:
    header = read_header(frame)
    if (header.rows, header.columns, header.components) != (layout.rows, layout.columns, 1):
        raise ValueError("The codestream holds another image than the file says.")
    decoded = decode_frame(frame, header, at_least_px)
    values = decoded.values
    if layout.signed and values.dtype.kind == "u":
        values = _with_sign(values, min(layout.bits_stored, header.bits))
    elif values.dtype.kind == "u" and header.bits > layout.bits_stored:
        most = 2**layout.bits_stored - 1
        values = np.minimum(values, values.dtype.type(most)) if values.max() > most else values
    return replace(decoded, values=values)


def decode_frame(frame: bytes, header: Codestream, at_least_px: int | None) -> Decoded:
    """Decode one coded frame with the first decoder that can; parameters as for :func:`decode`."""
    return _DECODERS[header.coding](frame, header, at_least_px)


def _jpeg(frame: bytes, header: Codestream, at_least_px: int | None) -> Decoded:
    if header.bits > 8:
        values = _whole(frame, imagecodecs.jpeg8_decode, filler=1 << (header.bits - 1))
        # Lossy coding overshoots the range by a few levels.
        return Decoded(np.minimum(values, 2**header.bits - 1), "libjpeg-turbo (imagecodecs)")
    times = halvings((header.columns, header.rows), at_least_px, most=JPEG_HALVINGS)
    values = _whole(frame, partial(_by_pillow, factor=2**times), filler=128)
    return Decoded(values, "libjpeg-turbo (Pillow)", jpeg_reduction(times))


def _by_pillow(frame: bytes, *, factor: int) -> Values:
    with Image.open(BytesIO(frame), formats=("JPEG",)) as image:
        image.draft("L", (max(1, image.width // factor), max(1, image.height // factor)))
        return np.asarray(image)


def _lossless_jpeg(frame: bytes, header: Codestream, at_least_px: int | None) -> Decoded:  # noqa: ARG001
    return Decoded(_whole(frame, imagecodecs.jpeg8_decode), "libjpeg-turbo (imagecodecs)")


def _whole(frame: bytes, decode: Callable[[bytes], Values], *, filler: int | None = None) -> Values:
    values = decode(frame)
    if is_cut_jpeg(frame, values, decode, filler=filler):
        raise EOFError
    return values


def _jpeg_ls(frame: bytes, header: Codestream, at_least_px: int | None) -> Decoded:  # noqa: ARG001
    return Decoded(imagecodecs.jpegls_decode(frame), "CharLS (imagecodecs)")


def _jpeg_2000(frame: bytes, header: Codestream, at_least_px: int | None) -> Decoded:
    times = halvings((header.columns, header.rows), at_least_px, most=header.levels)
    if times == 0 or header.bits > 16:
        return Decoded(imagecodecs.jpeg2k_decode(frame), "OpenJPEG (imagecodecs)")
    reduction = wavelet_reduction(times, reversible=header.reversible)
    return Decoded(_reduced(frame, header, times), "OpenJPEG (Pillow)", reduction)


def _reduced(frame: bytes, header: Codestream, times: int) -> Values:
    """Decode the inner subbands alone, which skips most of the work."""
    with Image.open(BytesIO(frame), formats=("JPEG2000",)) as image:
        # Pillow rounds the reduced size where the standard rounds it up; made a multiple, both
        # agree.
        step = 2**times
        image._size = tuple(-(-side // step) * step for side in image.size)
        image.reduce = times  # type: ignore[method-assign,assignment]
        values = np.asarray(image)
    # Pillow moves values up to fill 8 or 16 bits, and signed ones up by half the range.
    shifted = values >> (8 * values.itemsize - header.bits)
    if not header.signed:
        return np.asarray(shifted)
    return np.asarray(shifted.astype(np.int32) - (1 << (header.bits - 1)))


_DECODERS: dict[Coding, Callable[[bytes, Codestream, int | None], Decoded]] = {
    Coding.LOSSY_JPEG: _jpeg,
    Coding.LOSSLESS_JPEG: _lossless_jpeg,
    Coding.JPEG_LS: _jpeg_ls,
    Coding.JPEG_2000: _jpeg_2000,
    # OpenJPH (imagecodecs) is quicker, but swallows its errors and gives pixels never written to.
    Coding.HIGH_THROUGHPUT: _jpeg_2000,
}
