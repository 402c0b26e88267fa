"""A DICOM file taken apart: its elements up to the pixels, and the pixels as they are stored."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.filereader import data_element_generator
from pydicom.uid import DeflatedExplicitVRLittleEndian

from greenstick.radiographs.levels import MAX_PIXELS

_PIXEL_DATA, _UNDEFINED = 0x7FE00010, 0xFFFFFFFF
#: The file meta information begins after 128 bytes and 'DICM', with its own length in bytes.
_META_AT, _LENGTH_AT, _META_BYTES = 132, 140, 1024
#: A deflated file may not unpack to more than the largest image, with room for its elements.
_MOST_INFLATED = 2 * MAX_PIXELS + 2**26
#: Meta information that says 'explicit VR little endian' and nothing else.
_PLAIN_META = b"\x02\0\0\0UL\x04\0\x1c\0\0\0\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"


@dataclass(frozen=True, eq=False)
class DicomFile:
    """A DICOM file opened as far as its pixels; see :func:`open_file`.

    Attributes
    ----------
    elements
        What stands before the pixels.
    stream
        The file (unpacked where it was deflated), at its pixels.
    """

    elements: pydicom.Dataset
    stream: BinaryIO

    def stored_pixels(self) -> bytes | None:
        """Return the value of PixelData, with item tags where it is encapsulated.

        None where the file holds none. To be called once.

        Raises
        ------
        EOFError
            Where the file ends before its pixels do.
        """
        implicit, little = self.elements.original_encoding
        elements = data_element_generator(self.stream, bool(implicit), bool(little))
        element = next((e for e in elements if e.tag == _PIXEL_DATA), None)
        if element is None:
            return None
        value = bytes(element.value or b"")
        length = getattr(element, "length", _UNDEFINED)
        if length not in (_UNDEFINED, len(value)):
            raise EOFError
        return value


@contextmanager
def open_file(path: Path) -> Iterator[DicomFile]:
    """Open a DICOM file; a deflated one is unpacked in memory, up to a limit.

    Raises
    ------
    Exception
        Whatever pydicom and zlib raise at a broken file.
    """
    with path.open("rb") as file:
        head = file.read(_META_BYTES)
        file.seek(0)
        packed = DeflatedExplicitVRLittleEndian.encode() in head
        stream: BinaryIO = BytesIO(_inflate(file.read())) if packed else file
        # pydicom itself would unpack a bomb to its end.
        yield DicomFile(pydicom.dcmread(stream, force=True, stop_before_pixels=True), stream)


def _inflate(content: bytes) -> bytes:
    """Return the same file in explicit VR little endian."""
    start = _LENGTH_AT + 4 + int.from_bytes(content[_LENGTH_AT : _LENGTH_AT + 4], "little")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    data = unpacker.decompress(content[start:], _MOST_INFLATED)
    if not unpacker.eof:
        raise EOFError  # cut short, or larger than any radiograph
    return content[:_META_AT] + _PLAIN_META + data
