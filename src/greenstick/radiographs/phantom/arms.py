"""Forearm, hand and upper arm, in mm, of a grown person's left side seen from the front.

Measures are rounded from anatomy's usual ranges; they make pictures, not diagnoses.
"""

from dataclasses import replace

import numpy as np

from greenstick.radiographs.phantom.limbs import (
    FRONTAL,
    LATERAL,
    OBLIQUE,
    Region,
    blob,
    rod,
    tube,
)
from greenstick.radiographs.phantom.solids import Bone, Point, Tube

_THUMB = 1  # ray numbers run from the thumb, 1, to the little finger, 5
_METACARPALS = {1: 45.0, 2: 67.0, 3: 64.0, 4: 57.0, 5: 53.0}
_PHALANGES = {
    1: (31.0, 22.0),
    2: (40.0, 23.0, 17.0),
    3: (44.0, 27.0, 18.0),
    4: (41.0, 26.0, 18.0),
    5: (33.0, 18.0, 16.0),
}
_FAN = {1: 38.0, 2: 9.0, 3: 1.0, 4: -7.0, 5: -15.0}  # degrees from the long axis, thumb lateral
_BASES = {1: (21.0, 1.0), 2: (12.0, 6.0), 3: (1.0, 7.0), 4: (-8.0, 6.0), 5: (-16.0, 4.0)}


def forearm() -> Region:
    """Radius and ulna, from above the elbow to the palm."""
    humerus = Bone(
        "humerus",
        (
            tube(
                (0, -130, 0), (0, -1, 0),
                (0, 10.5, 10.5, 4), (0.5, 11.5, 9.5, 3.5), (0.75, 18, 8, 2), (0.9, 29, 8, 1.2),
                (1, 25, 8, 1),
            ),
            blob((-8, -1, 2), (13, 8.5, 10)),
            blob((14, -3, 3), (9.5, 9, 10)),
        ),
    )  # fmt: skip
    radius = _radius((13, 9, 3), (13, 238, 0))
    ulna = _ulna((-9, -14, -4), (-14, 231, -1))
    wrist = _carpals(253.0)
    palm = [
        replace(_ray(ray, (x, y + 262.0, 0.0))[0], breaks=0.0) for ray, (x, y) in _BASES.items()
    ]
    flesh = (
        tube(
            (0, -160, 0), (0, 310, 0),
            (0, 47, 50, 8), (0.33, 47, 42, 7), (0.45, 47, 40, 6), (0.7, 34, 28, 4),
            (0.86, 29, 20, 3), (0.92, 36, 17, 3), (1, 44, 16, 3), caps=(1, 1),
        ),
    )  # fmt: skip
    return Region(
        (humerus, radius, ulna, *wrist, *palm),
        flesh,
        (0, 72, 0),
        (165, 235),
        {"frontal": FRONTAL, "lateral": LATERAL, "oblique": OBLIQUE},
        slide_mm=92,
        upside_down=0.35,
    )


def hand() -> Region:
    """Fingers, palm, wrist and the ends of radius and ulna."""
    radius = _radius((13, -254, 0), (13, -25, 0), breaks=1.0, sites=(0.84, 0.94))
    ulna = _ulna((-9, -275, -4), (-14, -32, -1), breaks=0.0)
    wrist = _carpals(-10.0)
    rays = [bone for ray in _BASES for bone in _ray(ray, (*_BASES[ray], 0.0))]
    fingers = tuple(_finger_flesh(ray) for ray in _BASES)
    arm = tube(
        (0, -140, 0), (0, 14, 0),
        (0, 31, 26, 4), (0.6, 29, 20, 3), (0.85, 30, 17, 3), (1, 38, 15, 3), caps=(1, 8),
    )  # fmt: skip
    palm = tube(
        (4, -12, 0), (-2, 92, 0),
        (0, 33, 15, 2.5), (0.35, 43, 15, 2.5, 3), (0.7, 42, 12, 2.5), (1, 36, 7.5, 2.5),
        caps=(14, 24),
    )  # fmt: skip
    return Region(
        (radius, ulna, *wrist, *rays),
        (arm, palm, *fingers),
        (6, 54, 0),
        (180, 240),
        {"frontal": FRONTAL, "oblique": OBLIQUE, "lateral": (76.0, 8.0)},
        upside_down=0.6,
    )


def upper_arm() -> Region:
    """Shoulder and humerus, with the scapula, the collar bone and the side of the chest."""
    humerus = Bone(
        "humerus",
        (
            tube(
                (0, 0, 0), (0, 300, 0),
                (0, 16, 17, 1.2, 3), (0.06, 19, 19, 1.2, 1), (0.14, 15.5, 16, 2),
                (0.25, 12.5, 13, 3.6),
                (0.5, 11, 11.5, 4.6), (0.75, 11.5, 9.8, 3.6), (0.87, 19, 8, 2), (0.96, 29, 8, 1.2),
                (1, 25, 9, 1), caps=(12, 6),
            ),
            blob((-13, 9, 0), (21, 21, 20), 1.1),
            blob((13, 11, 3), (8, 14, 10), 1.1),
        ),
        breaks=4.0,
        sites=(0.13, 0.72),
        plates=(0.09,),
    )  # fmt: skip
    scapula = Bone(
        "scapula",
        (
            tube(
                (-44, -2, -6), (-84, 128, -26),
                (0, 11, 9, 1.4), (0.12, 19, 6, 1.2, -6), (0.3, 27, 3.2, 0.9, -12),
                (0.7, 19, 2.6, 0.9, -8), (1, 7, 3, 1), caps=(10, 10),
            ),
            rod((-45, 18, -6), (-84, 128, -26), (4.5, 3.5)),
            tube((-38, -10, -4), (-40, 28, -6), (0, 5, 12, 1.6), (1, 5, 13, 1.6)),
            rod((-96, 8, -34), (-4, -27, -6), (5.0, 8.5)),
            rod((-50, -12, 4), (-38, -9, 24), (7.5, 6.0)),
        ),
    )  # fmt: skip
    clavicle = Bone(
        "clavicle",
        (
            tube(
                (-150, -26, 16), (-14, -33, -2),
                (0, 10, 9, 1.6), (0.2, 6.5, 6.5, 2.2, -5), (0.55, 5.5, 6, 2.4, -7),
                (0.85, 6.5, 5, 1.8, 1), (1, 8, 5, 1.2), caps=(4, 5),
            ),
        ),
        breaks=1.0,
        sites=(0.35, 0.8),
    )  # fmt: skip
    ribs = tuple(_rib(n, front=front) for n in range(8) for front in (False, True))
    chest = tube(
        (-168, -90, -10), (-168, 330, -10),
        (0, 62, 50, 12), (0.15, 96, 70, 12), (0.3, 112, 92, 14), (1, 112, 100, 14), caps=(4, 4),
    )  # fmt: skip
    arm = tube(
        (-10, -46, 0), (2, 345, 0),
        (0, 40, 40, 8, -22), (0.14, 52, 50, 9, -8), (0.3, 48, 46, 9), (0.7, 42, 42, 8),
        (1, 40, 38, 7),
        caps=(46, 1),
    )  # fmt: skip
    lung = tube(
        (-160, -28, -10), (-160, 225, -10),
        (0, 58, 46, 1), (0.4, 78, 66, 1), (1, 80, 70, 1), caps=(80, 70),
    )  # fmt: skip
    return Region(
        (humerus, scapula, clavicle, *ribs),
        (chest, arm),
        (-20, 68, 0),
        (200, 250),
        {"frontal": FRONTAL, "oblique": (25.0, 7.0), "internal rotation": (-22.0, 6.0)},
        slide_mm=80,
        air=(lung,),
    )


# Ends (across, down) of each carpal bone's long axis, and its radii at both ends.
_CARPALS = (
    ((7.5, -9.5), (18.0, 0.5), (6.3, 5.2)),  # scaphoid
    ((-4.5, -8.5), (3.0, -8.0), (6.6, 6.2)),  # lunate
    ((-13.5, -6.0), (-11.0, 1.0), (5.6, 5.2)),  # triquetrum
    ((-16.5, -2.5), (-15.5, 1.5), (4.2, 4.0)),  # pisiform
    ((16.5, 4.0), (22.5, 5.0), (5.4, 6.0)),  # trapezium
    ((9.5, 4.5), (11.5, 9.0), (4.6, 5.4)),  # trapezoid
    ((0.5, -1.5), (1.0, 12.0), (5.6, 6.8)),  # capitate
    ((-8.0, 0.5), (-11.0, 10.5), (4.4, 7.2)),  # hamate
)


def _carpals(level: float) -> list[Bone]:
    return [
        Bone(
            "carpal",
            (
                rod(
                    (1.25 * start[0] - 0.25 * end[0], 1.25 * start[1] - 0.25 * end[1] + level, 0.0),
                    (1.25 * end[0] - 0.25 * start[0], 1.25 * end[1] - 0.25 * start[1] + level, 0.0),
                    (1.12 * radii[0], 1.12 * radii[1]),
                    0.8,
                ),
            ),
            spongy=(0.2, 0.2),
        )
        for start, end, radii in _CARPALS
    ]


def _radius(
    start: Point, end: Point, breaks: float = 3.0, sites: tuple[float, float] = (0.2, 0.93)
) -> Bone:
    shaft = tube(
        start, end,
        (0, 10.5, 10.5, 1), (0.05, 10.5, 10.5, 1), (0.1, 7, 7, 1.6), (0.17, 8.5, 7.8, 2, -1),
        (0.3, 6.9, 6.3, 2.4, 3), (0.55, 7.2, 6.2, 2.7, 5), (0.75, 7.8, 6.8, 2.2, 3),
        (0.88, 11, 8.5, 1.3, 1),
        (0.96, 15.5, 10.5, 0.9), (1, 15, 10.5, 0.9), caps=(4, 4),
    )  # fmt: skip
    styloid = blob((end[0] + 9.5, end[1] - 2, end[2]), (5.5, 9, 7), 0.9)
    return Bone("radius", (shaft, styloid), breaks=breaks, sites=sites, plates=(0.935,))


def _ulna(start: Point, end: Point, breaks: float = 2.0) -> Bone:
    shaft = tube(
        start, end,
        (0, 11, 11, 1.6, 0, -2), (0.09, 11, 13, 1.4, 0, 4), (0.16, 8.5, 10, 2),
        (0.3, 6.5, 7, 2.4, -2), (0.6, 5.9, 6, 2.3, -2), (0.85, 5.2, 5.2, 1.7), (0.95, 7, 7, 1),
        (1, 7.4, 7.4, 1), caps=(6, 4),
    )  # fmt: skip
    styloid = blob((end[0] - 5.5, end[1] + 1, end[2] - 2), (2.4, 5, 2.4), 0.8)
    return Bone("ulna", (shaft, styloid), breaks=breaks, sites=(0.22, 0.93), plates=(0.945,))


def _ray(number: int, base: Point) -> list[Bone]:
    """Metacarpal and phalanges of one finger, from its base on."""
    lengths = (_METACARPALS[number], *_PHALANGES[number])
    widths = {1: 1.15, 2: 1.05, 3: 1.05, 4: 0.93, 5: 0.88}[number]
    start, bones = base, []
    for order, length in enumerate(lengths):
        angle = np.radians(_FAN[number] * (1.0 if order else 0.8))
        # Relaxed fingers bend towards the palm, a little more with each joint.
        curl = np.radians((0.0, 8.0, 14.0, 18.0)[order] + (18.0 if number == _THUMB else 0.0))
        toward = (float(np.sin(angle) * np.cos(curl)), float(np.cos(angle) * np.cos(curl)))
        depth = float(np.sin(curl))
        end = (
            start[0] + length * toward[0],
            start[1] + length * toward[1],
            start[2] + length * depth,
        )
        bones.append(_finger_bone(order, order == len(lengths) - 1, start, end, widths))
        gap = 1.9 / length
        joint = tuple(e + (e - s) * gap for s, e in zip(start, end, strict=True))
        start = (joint[0], joint[1], joint[2])
    return bones


def _finger_bone(order: int, last: bool, start: Point, end: Point, width: float) -> Bone:
    base, waist, head = ((8.2, 4.3, 7.4), (7.4, 4.4, 5.6), (6.2, 3.5, 4.7), (5.2, 2.4, 3.4))[order]
    base, waist, head = base * width, waist * width, head * width
    if last:
        base, waist, head = 5.4 * width, 2.6 * width, 4.0 * width
    shell = 0.26 * waist
    shaft = tube(
        start, end,
        (0, base * 0.95, base * 0.9, 0.7), (0.1, base, base * 0.9, 0.7),
        (0.28, waist * 1.2, waist * 1.15, shell),
        (0.55, waist, waist, shell * 1.4), (0.75, waist * 1.12, waist, shell),
        (0.92, head, head * 0.95, 0.7), (1, head * 0.95, head * 0.9, 0.7),
        caps=(1.6, 2.2 if order else 5.0),
    )  # fmt: skip
    kind = "metacarpal" if order == 0 else "phalanx"
    plates = (0.86,) if order == 0 else (0.12,)
    breaks = 0.0 if last else (1.3 if order == 0 else 0.8)
    return Bone(kind, (shaft,), (0.08, 0.2), breaks, (0.2, 0.82), plates)


def _finger_flesh(number: int) -> Tube:
    bones = _ray(number, (*_BASES[number], 0.0))
    start, end = bones[0].tubes[0].start, bones[-1].tubes[0].end
    root = bones[1].tubes[0].start if number != _THUMB else bones[0].tubes[0].end
    tip = tuple(e + (e - r) * 0.05 for r, e in zip(root, end, strict=True))
    half = {1: 12.0, 2: 10.0, 3: 10.0, 4: 9.5, 5: 8.6}[number]
    # The thumb's ball reaches to the wrist; the other fingers start within the palm.
    first = start if number == _THUMB else root
    return tube(
        first, (tip[0], tip[1], tip[2]),
        (0, half * (1.5 if number == _THUMB else 1.15), half * 1.1, 1.6),
        (0.4, half * 1.02, half, 1.6),
        (0.7, half * 0.95, half * 0.9, 1.5), (1, half * 0.82, half * 0.75, 1.4), caps=(8, 9),
    )  # fmt: skip


def _rib(number: int, *, front: bool) -> Bone:
    """Half of a rib: the back falls gently towards the side, the front rises from there."""
    level = -24.0 + 29.0 * number
    side = -84.0 + 5.0 * number
    start = (-235.0, level - 30.0, -50.0) if not front else (-190.0, level + 76.0, 50.0)
    bow = -16.0 if not front else 8.0
    arc = tube(
        start, (side, level + 26.0, 0.0),
        (0, 6, 4, 1.2), (0.3, 6, 4, 1.2, bow * 0.8), (0.6, 5.5, 4, 1.2, bow),
        (0.85, 5.5, 4.5, 1.2, bow * 0.5), (1, 5.5, 5, 1.2), caps=(2, 4),
    )  # fmt: skip
    return Bone("rib", (arc,), (0.06, 0.08))
