"""Is this a bone radiograph that can be read? Checks on one opened file, before any reading.

The limits were set so that none of 790 real films (a sixth of FracAtlas and of HBFMID, and the CR
files beside them) raises an alarm.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenstick.findings import Finding, Severity
from greenstick.models.familiar import Familiar
from greenstick.radiographs.dicom import RADIOGRAPHS
from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.region import Region

#: A shorter side below this holds no readable bone.
SMALLEST_PX = 48
#: Where 98 % of the pixels lie within this range of gray, there is nothing to see.
LEAST_CONTRAST = 0.02
#: More than this share at full white is burned out; whitest parts below this gray are too dark.
_MOST_WHITE, _LEAST_BRIGHT = 0.5, 0.3
#: An inverted film has a white ground (this share of its frame) that outshines its middle.
_WHITE_FRAME, _OUTSHINES = 0.8, 0.2
#: A line is white where more than this share of it is; of such lines there may be so many.
_WHITE_LINE, _MOST_UNEXPOSED = 0.95, 0.25
#: A film has more levels of gray (of 256); a drawing or a screenshot has fewer.
_FEWEST_LEVELS = 48
#: Parts of the body, as BodyPartExamined has them, that show no limb.
_NO_LIMB = (
    "CHEST", "ABDOMEN", "SKULL", "HEAD", "BREAST", "HEART", "ABDOMENPELVIS", "JAW", "TOOTH",
    "TEETH", "MANDIBLE", "SINUS", "NECK", "LUNG",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What a model asks of a film.

    Attributes
    ----------
    canvas_px
        Side of the network's input.
    accept
        Modalities that the user lets through besides plain radiography's.
    region
        The part of the film that is looked at; None: all.
    """

    canvas_px: int = 0
    accept: tuple[str, ...] = ()
    region: Region | None = None


def guard(radiograph: Radiograph, wanted: Wanted | None = None) -> list[Finding]:
    """Check one radiograph; an ``ERROR`` means that it must not be read.

    Returns
    -------
    list of Finding
        One for each check, and the file's own remarks. What the file does not tell is
        ``NOT_APPLICABLE``, not ``PASSED``.
    """
    wanted = wanted or Wanted()
    step = max(1, min(radiograph.pixels.shape) // 128)
    few = radiograph.pixels[::step, ::step]
    return [
        _color(radiograph),
        _modality(radiograph, wanted.accept),
        _size(radiograph),
        _blank(few),
        _exposure(few),
        _inverted(few),
        _field(few),
        _levels(few),
        _resolution(radiograph, wanted),
        _body_part(radiograph),
        *radiograph.remarks,
    ]


def is_familiar(known: Familiar | None, look: NDArray[np.float32] | None) -> Finding:
    """Check how a film looks to the network, (D,), against what it was trained on."""
    if known is None or look is None or look.shape != known.mean.shape:
        return Finding(
            "familiar", Severity.NOT_APPLICABLE, "The model does not tell what is familiar to it."
        )
    distance = float(known.distance(look[None])[0])
    if distance <= 1.0:
        return Finding("familiar", Severity.PASSED, "It looks like what the model was trained on.")
    usual = f"{100 * (1 - known.false_alarms):.0f} in 100 films of its own kind stay within"
    if distance > known.far:
        return Finding(
            "familiar",
            Severity.ERROR,
            "It looks like nothing the model was trained on: "
            f"{distance:.1f} times the distance that {usual}.",
            remedy="Give a film of a kind that the model was trained on.",
        )
    return Finding(
        "familiar",
        Severity.WARNING,
        "It does not look like what the model was trained on: "
        f"{distance:.1f} times the distance that {usual}.",
        remedy="Trust the answer only where the model was tested on films like this.",
    )


def warnings_of(findings: list[Finding]) -> tuple[str, ...]:
    """Return what a reader of the answer should know, a line each."""
    return tuple(each.message for each in findings if each.severity is Severity.WARNING)


def refusal(findings: list[Finding]) -> Finding | None:
    """Return the first finding that forbids a reading, or None."""
    return next((finding for finding in findings if finding.severity is Severity.ERROR), None)


def _verdict(
    code: str, failed: bool, severity: Severity, message: str, remedy: str, *, passed: str
) -> Finding:
    if failed:
        return Finding(code, severity, message, remedy=remedy)
    return Finding(code, Severity.PASSED, passed)


def _color(radiograph: Radiograph) -> Finding:
    return _verdict(
        "color",
        radiograph.is_color,
        Severity.ERROR,
        "It is a color picture, not a radiograph.",
        "Give the gray image itself, not a photograph or a screenshot.",
        passed="Its pixels are gray.",
    )


def _modality(radiograph: Radiograph, accept: Collection[str]) -> Finding:
    if radiograph.modality is None:
        return Finding("modality", Severity.NOT_APPLICABLE, "The file does not tell its modality.")
    return _verdict(
        "modality",
        radiograph.modality not in (*RADIOGRAPHS, *accept),
        Severity.ERROR,
        "Its modality is not one of projection radiography.",
        f"Give one of {', '.join(RADIOGRAPHS[:-1])}.",
        passed=f"Its modality is {radiograph.modality}.",
    )


def _size(radiograph: Radiograph) -> Finding:
    width, height = radiograph.original_size_px
    return _verdict(
        "size",
        min(width, height) < SMALLEST_PX,
        Severity.ERROR,
        f"It is too small to read ({width} x {height} px; {SMALLEST_PX} at least).",
        "Give the original, not a thumbnail.",
        passed=f"It has {width} x {height} px.",
    )


def _blank(few: NDArray[np.float32]) -> Finding:
    low, high = np.percentile(few, (1.0, 99.0))
    return _verdict(
        "blank",
        bool(high - low < LEAST_CONTRAST),
        Severity.ERROR,
        "It is blank: nearly all of its pixels have one gray level.",
        "Check the exposure, or the export.",
        passed="Its gray levels vary.",
    )


def _exposure(few: NDArray[np.float32]) -> Finding:
    what = ""
    if float((few >= 0.98).mean()) > _MOST_WHITE:
        what = "burned out: most of it is white"
    elif float(np.percentile(few, 99.0)) < _LEAST_BRIGHT:
        what = "too dark: nothing on it is bright"
    return _verdict(
        "exposure",
        bool(what),
        Severity.WARNING,
        f"It is {what}.",
        "Check its window, or expose again.",
        passed="It is well exposed.",
    )


def _inverted(few: NDArray[np.float32]) -> Finding:
    edge = max(2, min(few.shape) // 16)
    frame = np.concatenate(
        [few[:edge].ravel(), few[-edge:].ravel(), few[:, :edge].ravel(), few[:, -edge:].ravel()]
    )
    height, width = few.shape
    middle = few[height // 4 : height - height // 4, width // 4 : width - width // 4]
    white = float((frame > 0.8).mean()) > _WHITE_FRAME
    return _verdict(
        "inverted",
        white and float(np.median(frame) - np.median(middle)) > _OUTSHINES,
        Severity.WARNING,
        "It seems to be inverted: its ground is white.",
        "Give it with bone bright.",
        passed="Its ground is dark.",
    )


def _levels(few: NDArray[np.float32]) -> Finding:
    levels = len(np.unique(np.rint(few * 255.0)))
    return _verdict(
        "levels",
        levels < _FEWEST_LEVELS,
        Severity.WARNING,
        f"It has {levels} levels of gray: a drawing or a screenshot, perhaps.",
        "Give the image itself.",
        passed="It has the gray levels of a film.",
    )


def _field(few: NDArray[np.float32]) -> Finding:
    """Look for white beyond a collimated field, which a display shutter would have hidden."""
    white = few >= 0.9
    share = 0.0
    for sides in (white, white.T):
        lines = sides.mean(axis=0) > _WHITE_LINE
        inside = np.flatnonzero(~lines)
        if len(inside) and len(inside) < len(lines):
            share = max(share, 1.0 - (inside[-1] - inside[0] + 1) / len(lines))
    return _verdict(
        "field",
        share > _MOST_UNEXPOSED,
        Severity.WARNING,
        f"{100 * share:.0f} % of it lies beyond the collimated field, and is white.",
        "Send it with its display shutter, or cut it to the field.",
        passed="Nothing beyond the collimated field is white.",
    )


def _resolution(radiograph: Radiograph, wanted: Wanted) -> Finding:
    seen, canvas_px = wanted.region, wanted.canvas_px
    longer = max((seen.width, seen.height) if seen else radiograph.original_size_px)
    return _verdict(
        "resolution",
        2 * longer < canvas_px,
        Severity.WARNING,
        f"Its {longer} px are less than half of the {canvas_px} px that the model looks at.",
        "Give the original, not a reduced copy.",
        passed=f"Its longer side has {longer} px.",
    )


def _body_part(radiograph: Radiograph) -> Finding:
    part = (radiograph.body_part or "").upper()
    if not part:
        return Finding(
            "body-part", Severity.NOT_APPLICABLE, "The file does not tell what it shows."
        )
    return _verdict(
        "body-part",
        part in _NO_LIMB,  # a closed list: the element may hold anything, a name too
        Severity.WARNING,
        f"By its file it shows no limb ({part}).",
        "Trust the answer only where the model was trained on such films.",
        passed="Nothing speaks against a limb.",
    )
