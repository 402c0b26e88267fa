"""What the headers of JPEG and JPEG 2000 codestreams say, before anything is decoded."""

import struct
from dataclasses import dataclass
from enum import Enum


class Coding(Enum):
    """How a codestream is coded; the value is for people."""

    LOSSY_JPEG = "JPEG"
    LOSSLESS_JPEG = "lossless JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    HIGH_THROUGHPUT = "High-Throughput JPEG 2000"


@dataclass(frozen=True)
class Codestream:
    """What a codestream's header says.

    Attributes
    ----------
    coding
        Its kind.
    rows, columns
        Size in pixels.
    bits
        Precision of a sample.
    signed
        Whether samples are signed (JPEG 2000 alone says so).
    components
        1 for gray.
    levels
        How many times it can be decoded at half the size (JPEG 2000).
    """

    coding: Coding
    rows: int
    columns: int
    bits: int
    components: int
    signed: bool = False
    levels: int = 0
    reversible: bool = False


_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_SIZE, _CODING_STYLE, _CAPABILITIES = 0x51, 0x52, 0x50
_START_OF_SCAN, _START_OF_TILE, _END = 0xDA, 0x90, b"\xff\xd9"


def read_header(data: bytes) -> Codestream:
    """Read the header of a codestream.

    Raises
    ------
    ValueError
        Where it is none of a kind that DICOM knows, or does not come to its end mark.
    """
    # One or two bytes may stand after the end mark, to make the length even.
    if _END not in data[-4:]:
        raise ValueError("The codestream ends before its end mark.")
    try:
        if data.startswith(b"\xff\x4f\xff\x51"):
            return _jpeg_2000(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
    except (IndexError, struct.error):
        pass
    raise ValueError("The codestream is of no known kind.")


def _jpeg(data: bytes) -> Codestream:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("A marker is missing.")
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _FRAMES:
            bits, rows, columns, components = struct.unpack_from(">BHHB", data, at + 2)
            return Codestream(_coding(marker), rows, columns, bits, components)
        if marker == _START_OF_SCAN:
            raise ValueError("There is no frame header.")
        if marker not in _ALONE:
            at += max(2, struct.unpack_from(">H", data, at)[0])


def _coding(frame_marker: int) -> Coding:
    if frame_marker == 0xF7:
        return Coding.JPEG_LS
    return Coding.LOSSLESS_JPEG if frame_marker == 0xC3 else Coding.LOSSY_JPEG


def _jpeg_2000(data: bytes) -> Codestream:
    columns, rows, left, top = struct.unpack_from(">4I", data, 8)
    components, precision = struct.unpack_from(">HB", data, 40)
    coding, levels, reversible, at = Coding.JPEG_2000, 0, False, 2
    while data[at] == 0xFF and data[at + 1] != _START_OF_TILE:
        marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if marker == _CAPABILITIES:
            coding = Coding.HIGH_THROUGHPUT
        if marker == _CODING_STYLE:
            levels, reversible = data[at + 9], data[at + 13] == 1
        at += 2 + max(2, length)
    return Codestream(
        coding,
        rows - top,
        columns - left,
        bits=(precision & 0x7F) + 1,
        components=components,
        signed=bool(precision & 0x80),
        levels=0 if left or top else levels,  # half sizes of a shifted grid are not ours to guess
        reversible=reversible,
    )
