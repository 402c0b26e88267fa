"""Is this a bone radiograph at all? Simple checks on one opened file, before any reading."""

import numpy as np

from greenstick.findings import Finding, Severity
from greenstick.radiographs.radiograph import Radiograph

MODALITIES = ("CR", "DX", "RG", "OT")
#: A shorter side below this holds no readable bone.
SMALLEST_PX = 48
#: Where 98 % of the pixels lie within this range of gray, there is nothing to see.
LEAST_CONTRAST = 0.02


def guard(radiograph: Radiograph) -> list[Finding]:
    """Check one radiograph; an ``ERROR`` means that it must not be read.

    Returns
    -------
    list of Finding
        One for each check: ``color``, ``modality``, ``size`` and ``blank``. What the file does not
        tell is ``NOT_APPLICABLE``, not ``PASSED``.
    """
    return [
        _color(radiograph),
        _modality(radiograph),
        _size(radiograph),
        _blank(radiograph),
    ]


def refusal(findings: list[Finding]) -> Finding | None:
    """Return the first finding that forbids a reading, or None."""
    return next((finding for finding in findings if finding.severity is Severity.ERROR), None)


def _color(radiograph: Radiograph) -> Finding:
    if radiograph.is_color:
        return Finding(
            "color",
            Severity.ERROR,
            "It is a color picture, not a radiograph.",
            remedy="Give the gray image itself, not a photograph or a screenshot.",
        )
    return Finding("color", Severity.PASSED, "Its pixels are gray.")


def _modality(radiograph: Radiograph) -> Finding:
    if radiograph.modality is None:
        return Finding("modality", Severity.NOT_APPLICABLE, "The file does not tell its modality.")
    if radiograph.modality not in MODALITIES:
        return Finding(
            "modality",
            Severity.ERROR,
            "Its modality is not one of projection radiography.",
            remedy=f"Give one of {', '.join(MODALITIES[:-1])}.",
        )
    return Finding("modality", Severity.PASSED, f"Its modality is {radiograph.modality}.")


def _size(radiograph: Radiograph) -> Finding:
    width, height = radiograph.original_size_px
    if min(width, height) < SMALLEST_PX:
        return Finding(
            "size",
            Severity.ERROR,
            f"It is too small to read ({width} x {height} px; {SMALLEST_PX} at least).",
            remedy="Give the original, not a thumbnail.",
        )
    return Finding("size", Severity.PASSED, f"It has {width} x {height} px.")


def _blank(radiograph: Radiograph) -> Finding:
    step = max(1, min(radiograph.pixels.shape) // 128)
    low, high = np.percentile(radiograph.pixels[::step, ::step], (1.0, 99.0))
    if high - low < LEAST_CONTRAST:
        return Finding(
            "blank",
            Severity.ERROR,
            "It is blank: nearly all of its pixels have one gray level.",
            remedy="Check the exposure, or the export.",
        )
    return Finding("blank", Severity.PASSED, "Its gray levels vary.")
