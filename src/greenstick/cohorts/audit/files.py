"""Checks on the files: missing, does not decode, shows nothing, is a color photograph."""

from greenstick.cohorts.audit.outcome import Hit, Outcome, count, found, not_applicable, passed
from greenstick.cohorts.audit.seen import Seen
from greenstick.findings import Severity

#: Gray range, of 1, below which an image shows nothing.
BLANK = 0.02


def missing(seen: Seen) -> Outcome:
    """Check that every listed file is there."""
    code = "missing-file"
    hits = [Hit(i, "There is no such file.") for i, look in enumerate(seen.looks) if look.missing]
    if not hits:
        return passed(code, "Every listed file is there.")
    message = f"{count(len(hits), 'listed file is', 'listed files are')} not there."
    remedy = "Bring the files, or drop the rows."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)


def undecodable(seen: Seen) -> Outcome:
    """Check that every pixel of every file decodes."""
    code = "undecodable"
    hits = [Hit(i, look.problem) for i, look in enumerate(seen.looks) if look.problem is not None]
    if not hits:
        return passed(code, "Every file that is there decodes to its last pixel.")
    message = f"{count(len(hits), 'file does', 'files do')} not decode to the last pixel."
    remedy = "Fetch the files again, or drop the rows."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)


def blank(seen: Seen) -> Outcome:
    """Check that every image shows something."""
    code = "blank-image"
    hits = [
        Hit(i, "The image is one even gray.")
        for i, look in enumerate(seen.looks)
        if look.decoded and look.contrast < BLANK
    ]
    if not any(look.decoded for look in seen.looks):
        return not_applicable(code, "No image could be decoded.")
    if not hits:
        return passed(code, "No image is blank.")
    message = f"{count(len(hits), 'image shows', 'images show')} nothing but one even gray."
    return found(code, Severity.ERROR, message, hits, remedy="Drop the rows.")


def color(seen: Seen) -> Outcome:
    """Check that no image is a color photograph."""
    code = "color-photograph"
    hits = [
        Hit(i, "The image carries color, which no radiograph does.")
        for i, look in enumerate(seen.looks)
        if look.is_color
    ]
    if not any(look.decoded for look in seen.looks):
        return not_applicable(code, "No image could be decoded.")
    if not hits:
        return passed(code, "No image carries color.")
    message = f"{count(len(hits), 'image carries', 'images carry')} color, as a photograph does."
    remedy = "Look at them; drop what is no radiograph."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)
