"""Opens a DICOM file of one projection radiograph.

No message holds a value of the file that could name a person.
"""

from collections.abc import Collection
from pathlib import Path

import pydicom

from greenstick.errors import GreenstickError
from greenstick.radiographs.decoding import decoding
from greenstick.radiographs.dicom.elements import (
    coded_meaning,
    laterality,
    number,
    orientation,
    remarks,
    spacing,
    text,
)
from greenstick.radiographs.dicom.file import DicomFile, open_file
from greenstick.radiographs.dicom.pixels import Decoded, decode
from greenstick.radiographs.dicom.shutter import shutter
from greenstick.radiographs.dicom.windowing import is_inverted, maps_alone, show
from greenstick.radiographs.levels import MAX_PIXELS
from greenstick.radiographs.radiograph import Radiograph

#: Computed and digital radiography, radiographic imaging; OT is how many scanners of films sign.
RADIOGRAPHS = ("CR", "DX", "RG", "OT")
#: Other projections by X-rays, that are read where a user asks for it.
BY_CHOICE = ("RF", "XA", "MG", "IO", "PX")
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


def open_dicom(
    path: Path, at_least_px: int | None = None, *, accept: Collection[str] = ()
) -> Radiograph:
    """Open a single-frame CR or DX file as it is meant to be shown.

    Stored values go through the modality LUT (or rescale slope and intercept), the VOI LUT (or
    the first window; else from the least to the greatest value), and are inverted where the
    presentation LUT shape, or in its absence MONOCHROME1, says so. Pixel padding and what lies
    outside the display shutter become black and have no say in the range.

    Parameters
    ----------
    path
        The file.
    at_least_px
        Where given, pixels may be decoded at a reduced size, down to this longer side.
    accept
        Modalities of :data:`BY_CHOICE` that are read besides :data:`RADIOGRAPHS`.

    Raises
    ------
    GreenstickError
        Where the file is no projection radiograph, has no pixels, several frames or color, or
        does not decode.
    """
    try:
        with decoding(), open_file(path) as file:
            _refuse_others(file.elements, path, accept)
            return _open(file, path, at_least_px)
    except GreenstickError:
        raise
    except _FAULTS as error:
        # The class only: the text of a decoder's error may quote an element's value.
        raise GreenstickError(
            f"{path.name} does not decode to its last row ({type(error).__name__}).",
            remedy="Fetch the file again from its source, or leave it out.",
        ) from None


def _open(file: DicomFile, path: Path, at_least_px: int | None) -> Radiograph:
    elements = file.elements
    # Where the image's own least and greatest values set the scale, all of its pixels count.
    decoded = decode(file, at_least_px=at_least_px if maps_alone(elements) else None)
    if decoded is None:
        raise _without_pixels(path)
    seen = shutter(elements, decoded.values.shape)
    pixels = show(decoded.values, elements, seen)
    pixels.flags.writeable = False
    spacing_mm, spacing_at = spacing(elements)
    return Radiograph(
        pixels,
        (int(elements.Columns), int(elements.Rows)),
        _told(decoded),
        reduction=decoded.reduction,
        spacing_mm=spacing_mm,
        spacing_at=spacing_at,
        body_part=text(elements, "BodyPartExamined")
        or coded_meaning(elements, "AnatomicRegionSequence"),
        view=text(elements, "ViewPosition") or coded_meaning(elements, "ViewCodeSequence"),
        laterality=laterality(elements),
        orientation=orientation(elements),
        modality=text(elements, "Modality"),
        patient=text(elements, "PatientID"),
        remarks=remarks(elements, inverted=is_inverted(elements)),
    )


def _told(decoded: Decoded) -> str:
    factor = decoded.reduction.factor
    return decoded.decoder if factor == 1 else f"{decoded.decoder}, 1/{factor}"


def _refuse_others(file: pydicom.Dataset, path: Path, accept: Collection[str]) -> None:
    """Say why a file is not a single gray projection radiograph; the gravest reason first."""
    modality = text(file, "Modality") or "unknown"
    photometric = text(file, "PhotometricInterpretation") or "unknown"
    if modality not in (*RADIOGRAPHS, *accept):
        choice = f" A still is read with --accept-modality {modality}."
        raise GreenstickError(
            f"{path.name} is not a radiograph: its modality is {_code(modality)}.",
            remedy=f"Give projection radiographs ({', '.join(RADIOGRAPHS[:-1])})."
            + (choice if modality in BY_CHOICE else ""),
        )
    if "Rows" not in file:
        raise _without_pixels(path)
    if photometric not in _GRAY:
        raise GreenstickError(
            f"{path.name} is not a radiograph: its pixels are color ({_code(photometric)}).",
            remedy="Give the gray image, not a photograph or a screenshot.",
        )
    frames = number(file, "NumberOfFrames")
    if frames is not None and frames > 1:
        raise GreenstickError(
            f"{path.name} holds {frames:.0f} frames, not one radiograph.",
            remedy="Export the frame that is meant as a file of its own.",
        )
    if (number(file, "Rows") or 0) * (number(file, "Columns") or 0) > MAX_PIXELS:
        raise GreenstickError(
            f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels.",
            remedy="Scale it down first, or check that it is a radiograph.",
        )


def _without_pixels(path: Path) -> GreenstickError:
    return GreenstickError(
        f"{path.name} holds no pixels.", remedy="Fetch the image itself from the archive."
    )


def _code(value: str) -> str:
    """Return a code of the standard as it is; anything else may be a name and is not told."""
    return (
        value if value in _CODES.split() or value == "PALETTE COLOR" else "none of the standard's"
    )
