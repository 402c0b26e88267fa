"""Thigh, lower leg and ankle, in mm, of a grown person's left side seen from the front."""

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

_SHIN = 330.0  # from plateau to ankle joint


def leg() -> Region:
    """Tibia and fibula, from above the knee to the heel."""
    femur = Bone(
        "femur",
        (
            tube(
                (0, -170, -3), (0, -6, 0),
                (0, 14, 15, 6), (0.4, 16, 16, 5), (0.65, 22, 19, 3), (0.85, 36, 24, 1.6),
                (1, 38, 24, 1.2),
            ),
            blob((-21, -14, -6), (19, 20, 28), 1.2),
            blob((21, -13, -4), (19, 19, 27), 1.2),
        ),
    )  # fmt: skip
    patella = Bone("patella", (blob((2, -30, 36), (21, 21, 10), 1.3),), (0.2, 0.2))
    flesh = (
        tube(
            (0, -210, -6), (0, _SHIN + 10, -6),
            (0, 72, 74, 10), (0.22, 62, 66, 9), (0.37, 56, 62, 7, 0, 2), (0.47, 55, 56, 6, 3, -8),
            (0.58, 57, 60, 7, 4, -14), (0.75, 44, 46, 5, 2, -9), (0.9, 33, 36, 4), (1, 37, 40, 4),
            caps=(1, 20),
        ),
        *_foot_flesh(_SHIN),
    )  # fmt: skip
    return Region(
        (femur, patella, _tibia(_SHIN), _fibula(_SHIN), *_foot(_SHIN + 5)),
        flesh,
        (2, 80, -2),
        (185, 275),
        {"frontal": FRONTAL, "lateral": LATERAL, "oblique": OBLIQUE},
        slide_mm=168,
    )


def ankle() -> Region:
    """The ankle joint: ends of tibia and fibula, and the foot."""
    bones = (
        _tibia(0.0, breaks=2.0, sites=(0.74, 0.93)),
        _fibula(0.0, breaks=3.0, sites=(0.72, 0.95)),
        *_foot(5.0),
    )
    calf = tube(
        (0, -210, -6), (0, 20, -6),
        (0, 52, 54, 6, 3, -10), (0.45, 40, 42, 5, 2, -6), (0.8, 33, 36, 4), (1, 38, 42, 4),
        caps=(1, 20),
    )  # fmt: skip
    return Region(
        bones,
        (calf, *_foot_flesh(0.0)),
        (0, -34, 14),
        (165, 205),
        {"frontal": (-6.0, 5.0), "lateral": LATERAL, "oblique": OBLIQUE},
    )


def thigh() -> Region:
    """Hip and femur, down to the middle of the thigh and beyond."""
    femur = Bone(
        "femur",
        (
            tube(
                (5, 30, 0), (-6, 430, 0),
                (0, 21, 17, 1.6, 1), (0.06, 22, 18, 2.4), (0.12, 18.5, 17, 4), (0.2, 15.5, 15.5, 6),
                (0.45, 13.5, 14.5, 7), (0.75, 17, 16, 4.5), (0.9, 30, 22, 2), (1, 38, 24, 1.2),
            ),
            tube(
                (-48, -4, 5), (8, 46, 0),
                (0, 18, 17, 1.4), (0.4, 15.5, 13, 2.2), (0.75, 18, 15, 1.8), (1, 20, 15, 1.5),
            ),
            blob((-44, -1, 5), (24, 23.5, 23.5), 1.3),
            tube(
                (20, 12, -6), (14, 52, -4),
                (0, 8, 12, 1.3), (0.5, 12, 15, 1.5), (1, 8, 10, 1.5), caps=(10, 10),
            ),
            blob((-12, 72, -11), (8, 13, 8), 1.3),
        ),
        breaks=3.0,
        sites=(0.1, 0.5),
    )  # fmt: skip
    # A dome without a floor, that thins out to its horns.
    socket = Bone(
        "acetabulum",
        (
            tube(
                (-44, -33, 5), (-44, 10, 5),
                (0, 31, 29, 3.4), (0.5, 31, 29, 2.4), (0.8, 31, 29, 0.8), (1, 30, 28, 0),
                caps=(31, 0.5),
            ),
        ),
        (0.0, 0.0),
    )  # fmt: skip
    hip = Bone(
        "hip bone",
        (
            tube(
                (-96, -190, -34), (-58, 6, -2),
                (0, 40, 4, 1.4, 14), (0.25, 52, 3.5, 1.3, 12), (0.55, 44, 5, 1.3, 6),
                (0.78, 30, 9, 1.4, 4), (0.9, 24, 16, 1.5), (1, 18, 16, 1.4), caps=(30, 22),
            ),
            rod((-70, -30, -8), (-80, 34, -6), (14, 13)),
            rod((-62, 8, 10), (-132, 4, 34), (14, 8)),
            blob((-128, 22, 34), (9, 24, 9), 1.3),
            tube(
                (-76, 22, -10), (-92, 84, -18),
                (0, 14, 14, 1.4), (0.6, 17, 14, 1.4), (1, 13, 12, 1.4),
                caps=(8, 10),
            ),
            rod((-92, 78, -16), (-128, 34, 30), (9, 8)),
        ),
        (0.12, 0.16),
    )  # fmt: skip
    sacrum = Bone("sacrum", (blob((-165, -95, -50), (46, 62, 22), 1.4),), (0.14, 0.14))
    flesh = (
        tube(
            (-14, -30, -4), (-6, 330, -4),
            (0, 84, 86, 16), (0.3, 86, 84, 14), (0.6, 78, 78, 12), (1, 68, 70, 11), caps=(70, 1),
        ),
        tube(
            (-120, -260, -10), (-120, 100, -10),
            (0, 150, 92, 20), (0.5, 166, 98, 22), (0.8, 168, 94, 22),
            (1, 120, 80, 18), caps=(1, 70),
        ),
    )  # fmt: skip
    return Region(
        (femur, socket, hip, sacrum),
        flesh,
        (-16, 68, 0),
        (220, 275),
        {"frontal": FRONTAL, "oblique": (28.0, 6.0), "internal rotation": (-18.0, 5.0)},
        slide_mm=75,
    )


def _tibia(joint: float, breaks: float = 3.0, sites: tuple[float, float] = (0.16, 0.9)) -> Bone:
    """Return a tibia that ends at the ankle joint's height."""
    shaft = tube(
        (-2, joint - _SHIN, 0), (-4, joint, 0),
        (0, 36, 24, 1.3), (0.05, 35, 24, 1.3), (0.12, 26, 21, 1.8, 0, 1),
        (0.2, 18, 18, 3, 0, 2), (0.32, 14.5, 16, 4.6, 0, 2), (0.52, 12.5, 14, 5.6),
        (0.72, 11.5, 12.5, 5), (0.85, 14, 14, 2.6), (0.93, 19.5, 17, 1.4), (1, 22, 19, 1.3),
        caps=(5, 4),
    )  # fmt: skip
    spine = blob((-3, joint - _SHIN - 2, -2), (6, 6, 8), 1.2)
    malleolus = blob((-19, joint + 3, 0), (6.5, 13, 10), 1.2)
    return Bone(
        "tibia", (shaft, spine, malleolus), (0.04, 0.22), breaks, sites, plates=(0.055, 0.95)
    )


def _fibula(joint: float, breaks: float = 1.6, sites: tuple[float, float] = (0.12, 0.94)) -> Bone:
    shaft = tube(
        (33, joint - _SHIN + 17, -18), (22, joint + 21, -7),
        (0, 10, 10, 1), (0.05, 11, 11, 1), (0.12, 6.5, 7, 1.8), (0.3, 6, 6.5, 2.4),
        (0.6, 6, 6.5, 2.4, 1), (0.84, 6.5, 7.5, 2), (0.93, 9, 10.5, 1.3, -1),
        (1, 7, 9, 1.1), caps=(8, 10),
    )  # fmt: skip
    return Bone("fibula", (shaft,), (0.05, 0.18), breaks, sites, plates=(0.06, 0.925))


def _foot(top: float) -> list[Bone]:
    """Return the foot's bones; ``top`` is the height of the talus's dome."""
    talus = Bone(
        "talus",
        (
            blob((-1, top + 14, 2), (19, 14, 24), 1.3),
            rod((-2, top + 17, 14), (-10, top + 22, 44), (11, 13)),
        ),
        (0.26, 0.26),
    )
    heel = Bone(
        "calcaneus",
        (
            tube(
                (5, top + 34, 34), (5, top + 48, -44),
                (0, 12, 12, 1.2), (0.35, 16, 17, 1.2, 0, 0), (0.7, 15, 18, 1.3), (1, 17, 20, 1.4),
                caps=(8, 12),
            ),
        ),
        (0.2, 0.2),
    )  # fmt: skip
    navicular = Bone("navicular", (blob((-11, top + 24, 57), (15, 13, 7), 1.1),), (0.24, 0.24))
    cuboid = Bone("cuboid", (rod((12, top + 40, 38), (14, top + 44, 66), (12, 11), 1),), (0.2, 0.2))
    wedge = Bone("cuneiform", (rod((-9, top + 27, 67), (-10, top + 31, 86), (13, 11)),), (0.2, 0.2))
    return [talus, heel, navicular, cuboid, wedge, *(_toe(n, top) for n in range(5))]


def _toe(number: int, top: float) -> Bone:
    start: Point = (-18.0 + 9.0 * number, top + 31 + 4.0 * number, 89.0 - 5.0 * number)
    end: Point = (-27.0 + 14.0 * number, top + 57 + 1.0 * number, 148.0 - 9.0 * number)
    width = 1.5 if number == 0 else 1.0
    shaft = tube(
        start, end,
        (0, 7 * width, 7 * width, 0.8), (0.3, 4.2 * width, 4.2 * width, 1.6),
        (0.7, 3.9 * width, 3.9 * width, 1.6), (1, 5.6 * width, 5.6 * width, 0.8), caps=(2, 5),
    )  # fmt: skip
    return Bone("metatarsal", (shaft,), (0.08, 0.2))


def _foot_flesh(joint: float) -> tuple[Tube, ...]:
    heel = blob((2, joint + 34, -24), (33, 40, 44), 7)
    sole = tube(
        (2, joint + 38, -40), (2, joint + 62, 175),
        (0, 32, 32, 6), (0.3, 36, 36, 5), (0.55, 40, 26, 4), (0.85, 46, 16, 4), (1, 40, 12, 4),
        caps=(20, 10),
    )  # fmt: skip
    return heel, sole
