"""What a result must repeat of the DICOM file that was read, and no more."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pydicom.valuerep import validate_value

from greenstick.errors import GreenstickError
from greenstick.radiographs.decoding import decoding

#: Without these a result cannot say what it is of.
_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
#: The Patient and General Study modules' attributes that every object must carry (types 1 and 2);
#: an archive files a result by them.
_IDENTITY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
#: A result filed under a changed one of these would be another patient's.
_NEVER_GUESSED = ("PatientName", "PatientID")
_SEXES = ("M", "F", "O")
_DEIDENTIFIED = ("PatientIdentityRemoved", "DeidentificationMethod")
#: What a presentation state repeats, so that the image shows as before.
_SHOWN_BY = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "PixelRepresentation", "PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation",
    "VOILUTFunction",
)  # fmt: skip
#: Lossy coding must not be forgotten by what is made of it, nor a name that is in the pixels.
INHERITED = (
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "BurnedInAnnotation",
)  # fmt: skip
#: What else is told of the image: its number, how it lies, which side it shows.
_OTHERS = ("InstanceNumber", "PatientOrientation", "ImageLaterality", "Laterality")
_FAULTS = (Exception,)  # whatever pydicom raises at a broken header


@dataclass(frozen=True, eq=False)
class Source:
    """A DICOM file's header, cut down to what its results need.

    Attributes
    ----------
    image
        The image's UIDs, and how it is stored and shown; no patient. This is what libraries see,
        so that no log of theirs can hold a name.
    identity
        The patient and the study, to be put into the finished result.
    """

    image: Dataset
    identity: Dataset

    @property
    def uid(self) -> str:
        """The SOP instance UID of the file that was read."""
        return str(self.image.SOPInstanceUID)

    @property
    def number(self) -> int:
        """Its number in its series, so that results lie in the films' order; 1 where unknown."""
        try:
            return max(1, int(self.image.InstanceNumber))
        except _FAULTS:
            return 1


def read_source(path: Path) -> Source:
    """Read what results need from a DICOM file's header; pixels are not read.

    Raises
    ------
    GreenstickError
        Where the file is no DICOM, or its header does not say of which image and patient a result
        would be.
    """
    with decoding():
        header = _header(path)
        return Source(_image(header), _identity(header))


def _header(path: Path) -> Dataset:
    tags: list[Any] = [
        *_UIDS, *_IDENTITY, *_DEIDENTIFIED, *_SHOWN_BY, *INHERITED, *_OTHERS,
    ]  # fmt: skip
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
    except InvalidDicomError:
        raise GreenstickError(
            "It is no DICOM file: there is no study to add a result to.",
            remedy="Read the DICOM file, or do without DICOM results.",
        ) from None
    except _FAULTS as error:
        raise GreenstickError(
            f"Its header cannot be read ({type(error).__name__}).", remedy="Fetch the file again."
        ) from None


def _image(header: Dataset) -> Dataset:
    image = Dataset()
    for keyword in (*_SHOWN_BY, *INHERITED, *_OTHERS):
        if _text(header, keyword):
            image[keyword] = header[keyword]
    for keyword in _UIDS:
        value = UID(_text(header, keyword))
        if not value.is_valid:
            raise GreenstickError(
                f"Its header has no valid {keyword}: a result could not say what it is of.",
                remedy="Fetch the file from the archive as it was stored.",
            )
        setattr(image, keyword, value)
    for keyword in _IDENTITY:
        setattr(image, keyword, None)
    return image


def _identity(header: Dataset) -> Dataset:
    identity = Dataset()
    for keyword in _IDENTITY:
        value = _text(header, keyword)
        if keyword in _NEVER_GUESSED and not _is_allowed(header, keyword, value):
            raise GreenstickError(
                f"Its {keyword} breaks the standard: a result might go to another patient.",
                remedy="Mend the file's header in the archive.",
            )
        setattr(identity, keyword, value if _is_allowed(header, keyword, value) else "")
    for keyword in _DEIDENTIFIED:
        if _text(header, keyword):
            identity[keyword] = header[keyword]
    return identity


def _text(header: Dataset, keyword: str) -> str:
    """Return an element's value as text; empty where there is none or it is not readable."""
    try:
        value = header.get(keyword)
    except _FAULTS:
        return ""
    nothing = value is None or (isinstance(value, (MultiValue, Sequence)) and not value)
    return "" if nothing else str(value).strip()


def _is_allowed(header: Dataset, keyword: str, value: str) -> bool:
    """Whether the standard allows an element's value, which is one value."""
    try:
        if isinstance(header.get(keyword), MultiValue):
            return False
        validate_value(dictionary_VR(keyword), value, pydicom.config.RAISE)
    except _FAULTS:
        return False
    return keyword != "PatientSex" or value in ("", *_SEXES)
