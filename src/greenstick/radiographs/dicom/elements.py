"""What a DICOM file tells of its picture, read with care: elements may be missing or wrong.

No value that could name a person leaves this module but the patient identifier, on purpose.
"""

from typing import Any

import pydicom

from greenstick.findings import Finding, Severity

#: Whatever pydicom raises at an element that is not readable.
_FAULTS = (Exception,)


def text(file: pydicom.Dataset, keyword: str) -> str | None:
    """Return an element as text; None where it is missing, empty or not readable."""
    try:
        value = file.get(keyword)
    except _FAULTS:
        return None
    return str(value).strip() or None if value is not None else None


def number(file: pydicom.Dataset, keyword: str) -> float | None:
    """Return an element as a number; None as for :func:`text`."""
    try:
        return float(text(file, keyword) or "")
    except ValueError:
        return None


def spacing(file: pydicom.Dataset) -> tuple[tuple[float, float] | None, str | None]:
    """Return (row, column) spacing in mm, and where it holds (PS3.3 10.7.1.3).

    ``"body"`` where it was calibrated there; ``"detector"`` where it was not, so that what lies
    away from the detector measures too large; ``"film"`` for a scanned one; ``"unstated"`` where
    the file gives a spacing and not whether it was calibrated. None, None where it gives none.
    """
    at_body, at_detector = _pair(file, "PixelSpacing"), _pair(file, "ImagerPixelSpacing")
    if at_body is not None and text(file, "PixelSpacingCalibrationType") is not None:
        return at_body, "body"
    if at_detector is not None:
        calibrated = at_body is not None and at_body != at_detector
        return (at_body, "body") if calibrated else (at_detector, "detector")
    if at_body is not None:
        return at_body, "unstated"
    scanned = _pair(file, "NominalScannedPixelSpacing")
    return scanned, None if scanned is None else "film"


def _pair(file: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    try:
        down, across = (float(part) for part in file.get(keyword) or ())
    except _FAULTS:
        return None
    return (down, across) if down > 0 and across > 0 else None


def orientation(file: pydicom.Dataset) -> tuple[str, str] | None:
    """Return whither a row runs and a column, in the standard's letters, e.g. ``("L", "F")``."""
    try:
        along_row, along_column = (str(part).strip() for part in file.get("PatientOrientation"))
    except _FAULTS:
        return None
    known = set("APRLHF")
    sound = along_row and along_column and set(along_row + along_column) <= known
    return (along_row, along_column) if sound else None


def laterality(file: pydicom.Dataset) -> str | None:
    """Return the side: R, L, B (both), U (unpaired), or None."""
    found = text(file, "ImageLaterality") or text(file, "Laterality")
    return found if found in ("R", "L", "B", "U") else None


def coded_meaning(file: pydicom.Dataset, keyword: str) -> str | None:
    """Return the meaning of a sequence's first code, in capitals as the plain elements have it."""
    try:
        item: Any = file.get(keyword)[0]
    except _FAULTS:
        return None
    meaning = text(item, "CodeMeaning")
    return None if meaning is None else meaning.upper()


def remarks(file: pydicom.Dataset, *, inverted: bool) -> tuple[Finding, ...]:
    """Return what a reader of this file should know of its pixels."""
    found = []
    if text(file, "BurnedInAnnotation") == "YES":
        found.append(
            Finding(
                "burned-in-annotation",
                Severity.WARNING,
                "Words are burned into its pixels, perhaps a patient's name.",
                remedy="Show its picture to nobody who may not see them.",
            )
        )
    if text(file, "PresentationIntentType") == "FOR PROCESSING":
        found.append(
            Finding(
                "for-processing",
                Severity.WARNING,
                "Its pixels are the detector's raw values, not a picture for viewing.",
                remedy="Give the image FOR PRESENTATION of the same exposure.",
            )
        )
    if inverted is not (text(file, "PhotometricInterpretation") == "MONOCHROME1"):
        found.append(
            Finding(
                "polarity",
                Severity.WARNING,
                "Its elements do not agree on whether bone is bright.",
                remedy="Look whether its picture is inverted.",
            )
        )
    return tuple(found)
