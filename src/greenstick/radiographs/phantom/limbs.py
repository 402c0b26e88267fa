"""What every limb is made of, and how one person's differs from another's."""

from dataclasses import dataclass, replace

import numpy as np

from greenstick.radiographs.phantom.solids import Bone, Point, Station, Tube

#: Rotation about the long axis in degrees, for each view by name: its center and its spread.
FRONTAL = (0.0, 6.0)
OBLIQUE = (42.0, 6.0)
LATERAL = (88.0, 6.0)


@dataclass(frozen=True)
class Region:
    """One body part, before it meets a film.

    Attributes
    ----------
    bones, flesh, air
        Its solids. The shell of flesh is fat.
    center
        The point that the beam is aimed at, limb coordinates in mm.
    slide_mm
        How far down the limb the beam may be aimed instead: a film shows a part of a long limb.
    field_mm
        (width, height) of the film.
    views
        Rotations in degrees (center, spread) by the view's name.
    upside_down
        Share of the films that are taken with the trunk at the bottom.
    """

    bones: tuple[Bone, ...]
    flesh: tuple[Tube, ...]
    center: Point
    field_mm: tuple[float, float]
    views: dict[str, tuple[float, float]]
    slide_mm: float = 0.0
    air: tuple[Tube, ...] = ()
    upside_down: float = 0.0


@dataclass(frozen=True)
class Person:
    """What makes one person's limbs differ from another's.

    Attributes
    ----------
    child
        Whether growth plates are open.
    size, slenderness, cortex, fat, muscle
        Factors around 1: all lengths, widths of bones, thickness of cortex, of fat, of muscle.
    density
        Factor on the mineral of all bones.
    """

    child: bool
    size: float
    slenderness: float
    cortex: float
    fat: float
    muscle: float
    density: float


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person: three in ten are children."""
    child = bool(rng.random() < 0.3)
    height = rng.uniform(0.62, 0.85) if child else rng.uniform(0.92, 1.08)
    spread = rng.standard_normal(5).clip(-2, 2)
    return Person(
        child=child,
        size=float(height),
        slenderness=float(1 + 0.06 * spread[0]),
        cortex=float(1 + 0.16 * spread[1]),
        fat=float(np.exp(0.35 * spread[2])),
        muscle=float(1 + 0.09 * spread[3]),
        density=float((0.86 if child else 1.0) * (1 + 0.1 * spread[4])),
    )


def as_grown(region: Region, person: Person, rng: np.random.Generator) -> Region:
    """Return a body part as one person has it: sizes, bows and plumpness of their own."""
    bones = tuple(_grow_bone(bone, person, rng) for bone in region.bones)
    flesh = tuple(_grow_flesh(tube, person, rng) for tube in region.flesh)
    air = tuple(_scaled(tube, person.size) for tube in region.air)
    x, y, z = region.center
    aim = (x, y + region.slide_mm * float(rng.random()), z)
    # A child's limb is exposed on a smaller field, but not in full proportion.
    field = person.size**0.85
    return replace(
        region,
        bones=bones,
        flesh=flesh,
        air=air,
        center=_times(aim, person.size),
        field_mm=(region.field_mm[0] * field, region.field_mm[1] * field),
    )


def _grow_bone(bone: Bone, person: Person, rng: np.random.Generator) -> Bone:
    width = person.slenderness * float(rng.normal(1.0, 0.035))
    bow = rng.normal(0.0, 0.01, 2)
    knobs = rng.normal(1.0, 0.04, len(bone.tubes)).clip(0.88, 1.12)
    tubes = tuple(
        _shaped(
            _scaled(tube, person.size),
            width * float(knob),
            person.cortex,
            (float(bow[0]), float(bow[1])) if number == 0 else (0.0, 0.0),
        )
        for number, (tube, knob) in enumerate(zip(bone.tubes, knobs, strict=True))
    )
    return replace(bone, tubes=tubes)


def _grow_flesh(tube: Tube, person: Person, rng: np.random.Generator) -> Tube:
    wobble = rng.normal(1.0, 0.03, len(tube.stations))
    stations = []
    for (at, half_x, half_z, x, z, fat), factor in zip(tube.stations, wobble, strict=True):
        extra = fat * (person.fat - 1) + (half_x - fat) * (person.muscle * factor - 1)
        stations.append((at, half_x + extra, half_z + extra, x, z, fat * person.fat))
    return _scaled(replace(tube, stations=tuple(stations)), person.size)


def _scaled(tube: Tube, size: float) -> Tube:
    stations = tuple(
        (s[0], s[1] * size, s[2] * size, s[3] * size, s[4] * size, s[5] * size)
        for s in tube.stations
    )
    caps = (tube.caps[0] * size, tube.caps[1] * size)
    return Tube(_times(tube.start, size), _times(tube.end, size), stations, caps)


def _shaped(tube: Tube, width: float, cortex: float, bow: tuple[float, float]) -> Tube:
    length = float(np.linalg.norm(np.subtract(tube.end, tube.start)))
    stations = []
    for at, half_x, half_z, x, z, shell in tube.stations:
        bend = 4 * at * (1 - at) * length  # a parabola, still at the joints
        shell = min(shell * cortex, 0.8 * half_x * width, 0.8 * half_z * width)
        moved = (x * width + bow[0] * bend, z * width + bow[1] * bend)
        stations.append((at, half_x * width, half_z * width, *moved, shell))
    return replace(tube, stations=tuple(stations))


def _times(point: Point, factor: float) -> Point:
    return (point[0] * factor, point[1] * factor, point[2] * factor)


def tube(
    start: Point, end: Point, *stations: tuple[float, ...], caps: tuple[float, float] = (6.0, 6.0)
) -> Tube:
    """Make a tube of stations (position, half across, half deep, shell[, across, deep offset])."""
    rows: list[Station] = []
    for at, half_x, half_z, shell, *shift in stations:
        x, z = (*shift, 0.0, 0.0)[:2]
        rows.append((at, half_x, half_z, x, z, shell))
    return Tube(start, end, tuple(rows), caps)


def blob(center: Point, radii: Point, shell: float = 1.0) -> Tube:
    """Make an ellipsoid: half-axes across, down and deep, mm."""
    across, down, deep = radii
    return Tube(
        (center[0], center[1] - down, center[2]),
        (center[0], center[1] + down, center[2]),
        ((0.0, across, deep, 0.0, 0.0, shell), (1.0, across, deep, 0.0, 0.0, shell)),
        (down, down),
    )


def rod(start: Point, end: Point, radii: tuple[float, float], shell: float = 1.2) -> Tube:
    """Make a round tube that tapers from one radius to another, mm."""
    stations = ((0.0, radii[0], radii[0], shell), (1.0, radii[1], radii[1], shell))
    return tube(start, end, *stations, caps=(radii[0] * 0.8, radii[1] * 0.8))
