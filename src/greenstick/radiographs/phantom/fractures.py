"""Fractures: what is broken, where and how, in the limb's own space."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from greenstick.radiographs.phantom.limbs import Person, Region
from greenstick.radiographs.phantom.solids import Bone, Floats

KINDS = ("transverse", "oblique", "spiral", "comminuted", "greenstick", "hairline")
_GROWN_SHARES = (0.23, 0.23, 0.17, 0.2, 0.0, 0.17)
_CHILD_SHARES = (0.16, 0.14, 0.1, 0.06, 0.4, 0.14)
TEETH = 15  # knots of a jagged edge across the bone


@dataclass(frozen=True)
class Piece:
    """A loose fragment of a comminuted fracture.

    Attributes
    ----------
    sides
        Its extent across the bone, in half-widths from -1 to 1.
    turn
        Rotation on the film, radians.
    drift
        Movement (across, deep, along), mm.
    """

    sides: tuple[float, float]
    turn: float
    drift: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Fracture:
    """A break of one bone, in the limb's own space, so that every view shows the same.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    bone
        Number of the bone in its region.
    site
        Where along the bone's first tube, as a fraction.
    slope
        Rise of the break along the bone for each mm across and in depth.
    pitch, seam
        A spiral's rise in mm a radian, and the direction in radians in which its ends meet.
    teeth
        (4, 15): how jagged the break is, mm: front and back of the upper and of a second surface.
    upper, lower
        How far the two fragments' ends are displaced, mm (across, deep).
    gap, overlap
        Mm between the fragments, and mm by which the lower one has slid up.
    reach
        Share of the width that is broken, from the side ``from_side`` (-1 or 1).
    from_side
        See ``reach``.
    zone
        Length of the shattered zone, mm; 0 where there is one break only.
    second_slope
        Slope of the zone's lower surface.
    pieces
        What fills the zone.
    """

    kind: str
    bone: int
    site: float
    slope: tuple[float, float]
    teeth: Floats
    upper: tuple[float, float] = (0.0, 0.0)
    lower: tuple[float, float] = (0.0, 0.0)
    gap: float = 0.4
    overlap: float = 0.0
    pitch: float = 0.0
    seam: float = 0.0
    reach: float = 1.0
    from_side: float = 1.0
    zone: float = 0.0
    second_slope: tuple[float, float] = (0.0, 0.0)
    pieces: tuple[Piece, ...] = ()


def draw_fractures(
    region: Region, person: Person, rng: np.random.Generator
) -> tuple[Fracture, ...]:
    """Draw what is broken: one bone, or now and then two that lie side by side."""
    first = draw_bone(region, rng)
    shares = _CHILD_SHARES if person.child else _GROWN_SHARES
    kind = KINDS[int(rng.choice(len(KINDS), p=np.array(shares) / sum(shares)))]
    severity = float(rng.beta(2.0, 1.0))
    fractures = [_draw(kind, first, region, severity, rng)]
    name = region.bones[first].name
    partner = {"radius": "ulna", "ulna": "radius", "tibia": "fibula"}.get(name)
    both = kind != "hairline" and rng.random() < 0.4
    for number, bone in enumerate(region.bones):
        if both and bone.name == partner and bone.breaks > 0 and len(on_film(bone, region)):
            fractures.append(_draw(kind, number, region, severity, rng))
    return tuple(fractures)


def draw_bone(region: Region, rng: np.random.Generator) -> int:
    """Draw the number of a bone that breaks, or that is plated, where the films show it."""
    weights = np.array([bone.breaks * (len(on_film(bone, region)) > 0) for bone in region.bones])
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def on_film(bone: Bone, region: Region) -> Floats:
    """Return places along a bone where it may break and that every film of this region shows."""
    start, end = np.array(bone.tubes[0].start[:2]), np.array(bone.tubes[0].end[:2])
    low, high = bone.sites
    places = np.linspace(low, high, 65)
    off = np.abs(start + (end - start) * places[:, None] - np.array(region.center[:2]))
    seen: Floats = places[(off < 0.42 * np.array(region.field_mm)).all(axis=1)]
    return seen


def _draw(
    kind: str, number: int, region: Region, severity: float, rng: np.random.Generator
) -> Fracture:
    bone = region.bones[number]
    tube = bone.tubes[0]
    length = float(np.linalg.norm(np.subtract(tube.end, tube.start)))
    site = float(rng.choice(on_film(bone, region)))
    stations = np.array(tube.stations)
    radius = float(np.interp(site, stations[:, 0], stations[:, 1:3].mean(axis=1)))
    lever = length * site * (1 - site)  # mm of sideways movement for a radian of bend
    aim = rng.uniform(0, 2 * np.pi, 4)
    # Front and back of a break are alike, though not the same.
    teeth = rng.standard_normal((2, 1, TEETH)) + 0.12 * rng.standard_normal((2, 2, TEETH))
    teeth = teeth.reshape(4, TEETH) * radius
    bend = min(lever * np.radians(rng.uniform(4, 19)) * severity, 1.5 * radius)
    step = radius * rng.uniform(0.35, 1.8) * severity
    apex, slip = bend * direction(aim[0]), step / 2 * direction(aim[1])
    steep = float(np.tan(np.radians(_steepness(kind, rng))))
    slope = steep * direction(aim[2])
    opening = float(radius * rng.uniform(0.12, 0.34))
    settings = {
        "teeth": teeth * _jaggedness(kind),
        "slope": pair(slope),
        "upper": pair(apex + slip),
        "lower": pair(apex - slip),
        "gap": opening * (0.5 + severity),
        "overlap": float(radius * rng.uniform(0, 0.9) * severity) if step > 1.3 * radius else 0.0,
    }
    if kind == "spiral":
        settings |= _spiral(radius, rng)
    elif kind == "comminuted":
        settings |= _shatter(radius, severity, rng)
    elif kind == "greenstick":
        settings |= _greenstick(radius, lever, rng)
    elif kind == "hairline":
        settings |= _hairline(rng)
    return Fracture(kind=kind, bone=number, site=site, **settings)  # type: ignore[arg-type]


def _steepness(kind: str, rng: np.random.Generator) -> float:
    low, high = {
        "transverse": (0.0, 12.0),
        "oblique": (35.0, 58.0),
        "comminuted": (5.0, 30.0),
        "greenstick": (0.0, 12.0),
        "hairline": (0.0, 45.0),
    }.get(kind, (0.0, 1.0))
    return float(rng.uniform(low, high))


def _jaggedness(kind: str) -> float:
    return {"transverse": 0.07, "greenstick": 0.07, "comminuted": 0.08, "hairline": 0.035}.get(
        kind, 0.04
    )


def direction(angle: float) -> Floats:
    """Return the unit vector at an angle in radians."""
    return np.array([np.cos(angle), np.sin(angle)])


def pair(vector: Floats) -> tuple[float, float]:
    """Return a vector of two as a tuple, which can be compared."""
    return float(vector[0]), float(vector[1])


def _spiral(radius: float, rng: np.random.Generator) -> dict[str, object]:
    handed = 1.0 if rng.random() < 0.5 else -1.0
    pitch = handed * radius * rng.uniform(0.55, 0.95)
    return {"pitch": float(pitch), "seam": float(rng.uniform(0, 2 * np.pi))}


def _shatter(radius: float, severity: float, rng: np.random.Generator) -> dict[str, object]:
    edges = np.sort(rng.uniform(-0.8, 0.8, int(rng.integers(1, 4))))
    edges = np.concatenate([[-1.3], edges, [1.3]])
    pieces = tuple(
        Piece(
            (low, high),
            float(rng.normal(0, 0.2 + 0.3 * severity)),
            (
                float(radius * ((low + high) / 2 * rng.uniform(0.1, 1.0) + rng.normal(0, 0.15))),
                float(radius * rng.normal(0, 0.2)),
                float(radius * rng.normal(0, 0.12)),
            ),
        )
        for low, high in pairwise(edges.tolist())
    )
    slope = np.tan(np.radians(rng.uniform(5, 30))) * direction(rng.uniform(0, 2 * np.pi))
    zone = float(radius * rng.uniform(1.5, 3.0))
    return {"zone": zone, "second_slope": pair(slope), "pieces": pieces}


def _greenstick(radius: float, lever: float, rng: np.random.Generator) -> dict[str, object]:
    # The intact cortex is the hinge: fragments bend, but neither step nor slide.
    # Falls bend limbs to the side or to the front rather than at random: mostly to the side here.
    aim = rng.normal(0, 0.6) + np.pi * rng.integers(2)
    # The bone stays within the flesh, however long it is.
    apex = min(lever * np.radians(rng.uniform(11, 26)), 1.8 * radius) * direction(aim)
    return {"upper": pair(apex), "lower": pair(apex), "gap": 0.0, "overlap": 0.0}


def _hairline(rng: np.random.Generator) -> dict[str, object]:
    return {
        "upper": (0.0, 0.0),
        "lower": (0.0, 0.0),
        "gap": float(rng.uniform(0.35, 1.0)),
        "overlap": 0.0,
        "reach": float(rng.uniform(0.55, 1.3)),
        "from_side": 1.0 if rng.random() < 0.5 else -1.0,
    }
