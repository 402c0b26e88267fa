"""Drawn radiographs of limbs, with known truth: for tests, demonstrations and teaching.

None shows a patient, and each says so. See ``docs/phantom.md`` for how they are made.
"""

from greenstick.radiographs.phantom.drawing import (
    SIZE_PX,
    Drawing,
    check_size,
    draw_film,
    draw_patient,
)
from greenstick.radiographs.phantom.fractures import KINDS
from greenstick.radiographs.phantom.patient import (
    BODY_PARTS,
    FRACTURED_SHARE,
    films_of_patient,
    plan_patient,
)

__all__ = [
    "BODY_PARTS",
    "FRACTURED_SHARE",
    "KINDS",
    "SIZE_PX",
    "Drawing",
    "check_size",
    "draw_film",
    "draw_patient",
    "films_of_patient",
    "plan_patient",
]
