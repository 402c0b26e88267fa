"""Checks on labels and boxes: at odds with each other, outside the image, of no area."""

import math
from collections.abc import Iterator

from greenstick.cohorts.audit.outcome import Hit, Outcome, count, found, not_applicable, passed
from greenstick.cohorts.audit.seen import Seen
from greenstick.findings import Severity

#: Annotation tools round: a box may stand out of the image by this much, in pixels.
OVERHANG_PX = 2.0

Box = tuple[float, float, float, float]

_NO_BOXES = "No image of this cohort is annotated with boxes."


def _annotated(seen: Seen) -> bool:
    return seen.cohort.table["boxes"].null_count() < len(seen.cohort)


def boxes_without_fracture(seen: Seen) -> Outcome:
    """Check that no image labeled 'no fracture' has a box."""
    code = "boxes-without-fracture"
    if not _annotated(seen):
        return not_applicable(code, _NO_BOXES)
    rows = seen.cohort.table.select("label", "boxes").rows()
    hits = [
        Hit(i, f"Labeled 'no fracture', yet has {count(len(boxes), 'box', 'boxes')}.")
        for i, (label, boxes) in enumerate(rows)
        if label == 0 and boxes
    ]
    if not hits:
        return passed(code, "No image labeled 'no fracture' has a box.")
    message = f"{count(len(hits), 'image')} labeled 'no fracture' with boxes around a fracture."
    remedy = "One of the two is wrong: look at them, correct, or drop the rows."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)


def fracture_without_boxes(seen: Seen) -> Outcome:
    """Check that every annotated image labeled 'fracture' has a box."""
    code = "fracture-without-boxes"
    if not _annotated(seen):
        return not_applicable(code, _NO_BOXES)
    rows = seen.cohort.table.select("label", "boxes").rows()
    hits = [
        Hit(i, "Labeled 'fracture' and annotated, yet without a box.")
        for i, (label, boxes) in enumerate(rows)
        if label == 1 and boxes is not None and not boxes
    ]
    if not hits:
        return passed(code, "Every annotated image labeled 'fracture' has a box.")
    message = f"{count(len(hits), 'image')} labeled 'fracture' and annotated with no box."
    remedy = "Leave 'boxes' empty (null) where an image was not annotated; else draw the box."
    return found(code, Severity.WARNING, message, hits, remedy=remedy)


def _boxes(seen: Seen) -> Iterator[tuple[int, Box]]:
    for i, boxes in enumerate(seen.cohort.table["boxes"].to_list()):
        for box in boxes or []:
            x, y, width, height = (
                math.nan if box[name] is None else box[name]
                for name in ("x", "y", "width", "height")
            )
            yield i, (x, y, width, height)


def boxes_without_area(seen: Seen) -> Outcome:
    """Check that every box has an area."""
    code = "box-without-area"
    if not _annotated(seen):
        return not_applicable(code, _NO_BOXES)
    hits = [
        Hit(i, f"A box at {_corner(box)} is {box[2]:g} px wide and {box[3]:g} px high.")
        for i, box in _boxes(seen)
        if not (box[2] > 0 and box[3] > 0 and all(map(math.isfinite, box)))
    ]
    if not hits:
        return passed(code, "Every box has an area.")
    message = f"{count(len(hits), 'box has', 'boxes have')} no area."
    remedy = "Correct the boxes, or drop the rows."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)


def boxes_outside(seen: Seen) -> Outcome:
    """Check that every box shares some area with its image."""
    code = "box-outside-image"
    hits = [
        Hit(i, f"A box at {_corner(box)} lies wholly outside an image of {_size(seen, i)} px.")
        for i, box in _boxes(seen)
        if seen.looks[i].decoded and _share_inside(box, seen.looks[i].size_px) == 0.0
    ]
    if not _annotated(seen):
        return not_applicable(code, _NO_BOXES)
    if not hits:
        return passed(code, "No box lies wholly outside its image.")
    message = f"{count(len(hits), 'box lies', 'boxes lie')} wholly outside the image."
    remedy = "Are they in pixels of this file? Correct the boxes, or drop the rows."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)


def boxes_overhanging(seen: Seen) -> Outcome:
    """Check that no box stands out of its image."""
    code = "box-overhangs-image"
    if not _annotated(seen):
        return not_applicable(code, _NO_BOXES)
    hits = [
        Hit(i, f"A box at {_corner(box)} stands out of an image of {_size(seen, i)} px.")
        for i, box in _boxes(seen)
        if seen.looks[i].decoded and _overhangs(box, seen.looks[i].size_px)
    ]
    if not hits:
        return passed(code, "No box stands out of its image.")
    message = f"{count(len(hits), 'box stands', 'boxes stand')} out of the image."
    remedy = "Are they in pixels of this file? What stands out is ignored."
    return found(code, Severity.WARNING, message, hits, remedy=remedy)


def _share_inside(box: Box, size_px: tuple[int, int]) -> float:
    x, y, width, height = box
    across = min(x + width, size_px[0]) - max(x, 0.0)
    down = min(y + height, size_px[1]) - max(y, 0.0)
    if not (width > 0 and height > 0):
        return math.nan
    return max(across, 0.0) * max(down, 0.0) / (width * height)


def _overhangs(box: Box, size_px: tuple[int, int]) -> bool:
    x, y, width, height = box
    out = max(-x, -y, x + width - size_px[0], y + height - size_px[1])
    return out > OVERHANG_PX and _share_inside(box, size_px) > 0.0


def _corner(box: Box) -> str:
    return f"x {box[0]:g}, y {box[1]:g}"


def _size(seen: Seen, row: int) -> str:
    width, height = seen.looks[row].size_px
    return f"{width} x {height}"
