"""DICOM files of projection radiographs (CR, DX), by pydicom.

No message holds a value of the file that could name a person.
"""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.uid import JPEGExtended12Bit

from greenstick.errors import GreenstickError
from greenstick.radiographs.decoding import decoding
from greenstick.radiographs.levels import MAX_PIXELS
from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.windowing import show

#: Computed and digital radiography, radiographic imaging; OT is how many scanners of films sign.
_RADIOGRAPHS = ("CR", "DX", "RG", "OT")
_GRAY = ("MONOCHROME1", "MONOCHROME2")
#: Modalities (PS3.3 C.7.3.1.1.1) and photometric interpretations that a refusal may name.
_CODES = (
    "AR AU BDUS BI BMD CFM CT DG DMS DOC ECG EEG EMG EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS "
    "KER KO LEN LP LS MG MR M3D NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR "
    "PT PX REG RESP RF RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM "
    "SMR SR SRF STAIN TEXTUREMAP TG US VA XA XC unknown RGB YBR_FULL YBR_FULL_422 YBR_PARTIAL_420 "
    "YBR_ICT YBR_RCT XYB ARGB HSV CMYK"
)

#: Whatever a broken file makes pydicom and its decoders raise; the breadth is the point, since
#: each decoder has errors of its own and an unreadable file must never stop a series.
_FAULTS = (Exception,)


def open_dicom(path: Path, at_least_px: int | None = None) -> Radiograph:  # noqa: ARG001
    """Open a single-frame CR or DX file as it is meant to be shown.

    Stored values go through the modality LUT (or rescale slope and intercept), the VOI LUT (or
    the first window; else from the least to the greatest value), and MONOCHROME1 is inverted.
    Pixel padding becomes black and has no say in the range.

    Raises
    ------
    GreenstickError
        Where the file is no projection radiograph, has no pixels, several frames or color, or
        does not decode.
    """
    with decoding():
        file = _parse(path)
        _refuse_others(file, path)
        stored = _stored_values(file, path)
        try:
            pixels = show(stored, file)
        except _FAULTS as error:
            raise _broken(path, error) from None
    pixels.flags.writeable = False
    return Radiograph(
        pixels,
        (pixels.shape[1], pixels.shape[0]),
        "pydicom",
        spacing_mm=_spacing(file),
        body_part=_text(file, "BodyPartExamined"),
        view=_text(file, "ViewPosition"),
        laterality=_text(file, "ImageLaterality") or _text(file, "Laterality"),
        modality=_text(file, "Modality"),
        patient=_text(file, "PatientID"),
    )


def _parse(path: Path) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path, force=True)
    except (*_FAULTS, InvalidDicomError) as error:
        raise _broken(path, error) from None


def _refuse_others(file: pydicom.Dataset, path: Path) -> None:
    """Say why a file is not a single gray projection radiograph; the gravest reason first."""
    modality = _text(file, "Modality") or "unknown"
    photometric = _text(file, "PhotometricInterpretation") or "unknown"
    if modality not in _RADIOGRAPHS:
        raise GreenstickError(
            f"{path.name} is not a radiograph: its modality is {_code(modality)}.",
            remedy=f"Give projection radiographs ({', '.join(_RADIOGRAPHS[:-1])}).",
        )
    if not any(name in file for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise GreenstickError(
            f"{path.name} holds no pixels.", remedy="Fetch the image itself from the archive."
        )
    if photometric not in _GRAY:
        raise GreenstickError(
            f"{path.name} is not a radiograph: its pixels are color ({_code(photometric)}).",
            remedy="Give the gray image, not a photograph or a screenshot.",
        )
    frames = _number(file, "NumberOfFrames")
    if frames is not None and frames > 1:
        raise GreenstickError(
            f"{path.name} holds {frames:.0f} frames, not one radiograph.",
            remedy="Export the frame that is meant as a file of its own.",
        )
    if (_number(file, "Rows") or 0) * (_number(file, "Columns") or 0) > MAX_PIXELS:
        raise GreenstickError(
            f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels.",
            remedy="Scale it down first, or check that it is a radiograph.",
        )


def _stored_values(file: pydicom.Dataset, path: Path) -> NDArray[Any]:
    try:
        syntax = file.file_meta.TransferSyntaxUID if "TransferSyntaxUID" in file.file_meta else None
        twelve_bits = syntax == JPEGExtended12Bit and int(file.BitsStored) > 8
        values = _decode_12_bit_jpeg(file) if twelve_bits else file.pixel_array
    except _FAULTS as error:
        raise _broken(path, error) from None
    if values.ndim != 2:
        raise GreenstickError(
            f"{path.name} decodes to an array of shape {values.shape}, not to one gray image.",
            remedy="Export it as a single gray image.",
        )
    return np.asarray(values)


def _decode_12_bit_jpeg(file: pydicom.Dataset) -> NDArray[Any]:
    # None of pydicom's decoders of a permissive license reads 12-bit lossy JPEG; libjpeg-turbo
    # in imagecodecs does.
    frame = next(generate_frames(file.PixelData, number_of_frames=1))
    values = np.asarray(imagecodecs.jpeg8_decode(frame))
    # Lossy coding overshoots the stored range by a few levels.
    return np.asarray(np.minimum(values, 2 ** int(file.BitsStored) - 1))


def _broken(path: Path, error: Exception) -> GreenstickError:
    # The class only: the text of a decoder's error may quote an element's value.
    return GreenstickError(
        f"{path.name} does not decode to its last row ({type(error).__name__}).",
        remedy="Fetch the file again from its source, or leave it out.",
    )


def _text(file: pydicom.Dataset, keyword: str) -> str | None:
    """Return an element as text; None where it is missing, empty or not readable."""
    try:
        value = file.get(keyword)
    except _FAULTS:
        return None
    return str(value).strip() or None if value is not None else None


def _number(file: pydicom.Dataset, keyword: str) -> float | None:
    try:
        return float(_text(file, keyword) or "")
    except ValueError:
        return None


def _code(value: str) -> str:
    """Return a code of the standard as it is; anything else may be a name and is not told."""
    return (
        value if value in _CODES.split() or value == "PALETTE COLOR" else "none of the standard's"
    )


def _spacing(file: pydicom.Dataset) -> tuple[float, float] | None:
    """Return (row, column) spacing in mm, at the body where calibrated, else at the detector."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        try:
            down, across = (float(part) for part in file.get(keyword) or ())
        except _FAULTS:
            continue
        if down > 0 and across > 0:
            return down, across
    return None
