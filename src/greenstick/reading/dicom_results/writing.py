"""The DICOM results of one reading, made and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from pydicom.dataset import Dataset

from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.radiographs.decoding import decoding
from greenstick.reading.dicom_results.capture import capture
from greenstick.reading.dicom_results.frame import Frame
from greenstick.reading.dicom_results.kinds import Kind
from greenstick.reading.dicom_results.marks import marks
from greenstick.reading.dicom_results.presentation import presentation
from greenstick.reading.dicom_results.report import report
from greenstick.reading.dicom_results.source import read_source
from greenstick.reading.reader import Examination

#: Whatever pydicom and highdicom raise where a header's values do not go together; the breadth is
#: the point, since a result that cannot be made must never lose the reading.
_FAULTS = (Exception,)


@dataclass(frozen=True)
class DicomWriter:
    """Writes readings as DICOM objects, to be sent to the archive that the films came from.

    Attributes
    ----------
    folder
        Where the files go.
    model
        Facts of the model, as :meth:`greenstick.reading.reader.Reader.facts` gives them.
    kinds
        ``"sr"``: structured report; ``"sc"``: the overlay as secondary capture; ``"pr"``: marks
        as presentation state.
    """

    folder: Path
    model: Mapping[str, Any]
    kinds: Sequence[Kind]

    def file_names(self, stem: str) -> list[str]:
        """Return the names of a reading's files."""
        return [f"{stem}.{kind}.dcm" for kind in self.kinds]

    def write(
        self, examination: Examination, picture: Image.Image, stem: str, *, made: datetime
    ) -> list[str]:
        """Write the results of a film that was read.

        Parameters
        ----------
        examination
            Its reading's path is the file that was read.
        picture
            The overlay, for the secondary capture.
        stem
            How the files' names begin.
        made
            The time that the results bear.

        Returns
        -------
        names
            Of the files, within the folder.

        Raises
        ------
        GreenstickError
            Where the film was not read, is no DICOM file, or its header does not allow it. Then
            nothing is written.
        """
        contents = self._make(examination, picture, made)
        names = self.file_names(stem)
        for name, content in zip(names, contents, strict=True):
            write_whole(self.folder / name, partial(_put, content))
        return names

    def _make(self, examination: Examination, picture: Image.Image, made: datetime) -> list[bytes]:
        reading = examination.reading
        if reading.status != "read":
            raise GreenstickError(
                "It was not read: a result could be taken for 'no fracture'.",
                remedy=reading.reason or "Read it again.",
            )
        frame = Frame(read_source(Path(reading.path)), self.model, made)
        places = marks(reading)
        makers: dict[Kind, Callable[[], Dataset]] = {
            "sr": lambda: report(frame, reading, places),
            "sc": lambda: capture(frame, picture),
            "pr": lambda: presentation(frame, reading, places),
        }
        try:
            with decoding():
                return [_encoded(makers[kind]()) for kind in self.kinds]
        except _FAULTS as error:
            # The class only: an error's text may quote an element's value.
            raise GreenstickError(
                f"Its header does not allow a DICOM result ({type(error).__name__}).",
                remedy="Mend the file's header in the archive.",
            ) from None


def _encoded(result: Dataset) -> bytes:
    content = BytesIO()
    result.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)
