"""A drawn patient: one limb of one person, whether it is broken, and how it is filmed."""

from dataclasses import dataclass

import numpy as np

from greenstick.errors import GreenstickError
from greenstick.radiographs.phantom import arms, legs
from greenstick.radiographs.phantom.film import Technique, draw_technique
from greenstick.radiographs.phantom.fractures import Fracture, draw_bone, draw_fractures, on_film
from greenstick.radiographs.phantom.limbs import Person, Region, as_grown, draw_person, rod, tube
from greenstick.radiographs.phantom.solids import Bone, Floats, Point, Tube, View

#: The body parts that can be drawn, by name.
BODY_PARTS = {
    "forearm": arms.forearm,
    "hand": arms.hand,
    "upper arm": arms.upper_arm,
    "leg": legs.leg,
    "ankle": legs.ankle,
    "thigh": legs.thigh,
}
FRACTURED_SHARE = 0.4
_HARDWARE_SHARE = 0.06
_FILMS = (0.5, 0.35, 0.15)  # shares of patients with one, two, three films


@dataclass(frozen=True)
class Canal:
    """A nutrient canal: a fine dark line within the cortex that is no fracture.

    Attributes
    ----------
    bone
        Number of the bone.
    at
        Its middle, as a fraction along the bone's first tube.
    direction
        On which side of the bone it lies, radians.
    lean
        Mm across for each mm along.
    length_mm
        Its length along the bone.
    """

    bone: int
    at: float
    direction: float
    lean: float
    length_mm: float


@dataclass(frozen=True, eq=False)
class Pose:
    """How the limb lies for one film, and how the film is taken.

    Attributes
    ----------
    view
        Name of the view.
    turn, tilt
        Rotation about the limb's long axis and on the film, radians.
    shift_mm
        (2,): how far the limb is off the film's center.
    zoom
        Factor on the size of everything.
    technique
        How the film is taken.
    noise
        Seed of the film's noise and textures.
    """

    view: str
    turn: float
    tilt: float
    shift_mm: Floats
    zoom: float
    technique: Technique
    noise: np.random.SeedSequence


@dataclass(frozen=True, eq=False)
class Patient:
    """All that is to be drawn of one patient.

    Attributes
    ----------
    body_part, laterality
        Which limb; laterality is "left" or "right".
    person
        Whose.
    region
        The limb as this person has it.
    fractures
        What is broken; empty for a healthy limb.
    canals
        Lines that are no fractures.
    metal
        Plate and screws, or empty.
    poses
        One for each film.
    """

    body_part: str
    laterality: str
    person: Person
    region: Region
    fractures: tuple[Fracture, ...]
    canals: tuple[Canal, ...]
    metal: tuple[Tube, ...]
    poses: tuple[Pose, ...]

    def view(self, pose: Pose, film_mm: tuple[float, float]) -> View:
        """Return the projection of one film of this size."""
        side = -1.0 if self.laterality == "right" else 1.0
        cos, sin = np.cos(pose.tilt), np.sin(pose.tilt)
        limb = np.array(
            [[side * np.cos(pose.turn), 0.0, side * np.sin(pose.turn)], [0.0, 1.0, 0.0]]
        )
        matrix = pose.zoom * np.array([[cos, -sin], [sin, cos]]) @ limb
        aim = np.array(film_mm) / 2 + pose.shift_mm
        return View(matrix, aim - matrix @ np.array(self.region.center), pose.turn, side < 0)


def plan_patient(
    seed: int, index: int = 0, *, fractured: bool | None = None, body_part: str | None = None
) -> Patient:
    """Plan one patient, who depends on ``seed`` and ``index`` alone.

    Person, fracture and films are drawn from streams of their own: a patient planned with and
    without a fracture is the same in all else.

    Parameters
    ----------
    seed, index
        Which patient; both at least 0.
    fractured
        Whether a bone is broken; None leaves it to chance, four in ten.
    body_part
        One of :data:`BODY_PARTS`; None leaves it to chance.

    Raises
    ------
    GreenstickError
        Where a number is negative or the body part is not known.
    """
    if body_part is not None and body_part not in BODY_PARTS:
        raise GreenstickError(
            f"No body part {body_part!r} can be drawn.", remedy=f"Use {', '.join(BODY_PARTS)}."
        )
    streams = _streams(seed, index)
    chances, who, broken, filmed = (np.random.default_rng(stream) for stream in streams)
    films = _number_of_films(chances)
    name = list(BODY_PARTS)[int(chances.integers(len(BODY_PARTS)))]
    by_chance = bool(chances.random() < FRACTURED_SHARE)
    laterality = "left" if chances.random() < 0.5 else "right"
    person = draw_person(who)
    name = body_part or name
    region = as_grown(BODY_PARTS[name](), person, who)
    is_broken = by_chance if fractured is None else fractured
    return Patient(
        body_part=name,
        laterality=laterality,
        person=person,
        region=region,
        fractures=draw_fractures(region, person, broken) if is_broken else (),
        canals=_draw_canals(region, who),
        metal=_draw_metal(region, who) if who.random() < _HARDWARE_SHARE else (),
        poses=_draw_poses(region, films, laterality, filmed, streams[3].spawn(films)),
    )


def films_of_patient(seed: int, index: int) -> int:
    """Return how many films a patient has, 1 to 3, without planning them."""
    return _number_of_films(np.random.default_rng(_streams(seed, index)[0]))


def _streams(seed: int, index: int) -> list[np.random.SeedSequence]:
    """Return seeds for the patient's chances, person, fracture and films."""
    if seed < 0 or index < 0:
        raise GreenstickError("A seed is a whole number from 0 on.", remedy="Give another seed.")
    return np.random.SeedSequence(entropy=seed, spawn_key=(index,)).spawn(4)


def _number_of_films(chances: np.random.Generator) -> int:
    return 1 + int(chances.choice(len(_FILMS), p=_FILMS))


def _draw_poses(
    region: Region,
    films: int,
    laterality: str,
    rng: np.random.Generator,
    noises: list[np.random.SeedSequence],
) -> tuple[Pose, ...]:
    names = list(region.views)
    others = [names[1 + int(k)] for k in rng.permutation(len(names) - 1)]
    order = [names[0], *others] if rng.random() < 0.7 else [others[0], names[0], *others[1:]]
    poses = []
    for view, noise in zip(order[:films], noises, strict=True):
        center, spread = region.views[view]
        turned_over = rng.random() < region.upside_down
        poses.append(
            Pose(
                view=view,
                turn=float(np.radians(center + spread * rng.standard_normal())),
                tilt=float(np.radians(180.0 * turned_over + rng.normal(0, 4.0))),
                shift_mm=rng.normal(0, 4.0, 2),
                zoom=float(rng.uniform(0.94, 1.08)),
                technique=draw_technique(rng, laterality),
                noise=noise,
            )
        )
    return tuple(poses)


def _draw_canals(region: Region, rng: np.random.Generator) -> tuple[Canal, ...]:
    long = [k for k, bone in enumerate(region.bones) if bone.breaks >= 1.0]
    if rng.random() > 0.4:
        return ()
    return (
        Canal(
            bone=int(rng.choice(long)),
            at=float(rng.uniform(0.3, 0.6)),
            direction=float(rng.uniform(0, 2 * np.pi)),
            lean=float(np.tan(np.radians(rng.uniform(4, 14))) * rng.choice((-1, 1))),
            length_mm=float(rng.uniform(10, 24)),
        ),
    )


def _draw_metal(region: Region, rng: np.random.Generator) -> tuple[Tube, ...]:
    """A plate along one bone, with screws through it."""
    bone = region.bones[draw_bone(region, rng)]
    at = float(rng.choice(on_film(bone, region)))
    axis, radius = _axis(bone, at)
    center, length = axis
    unit = np.subtract(bone.tubes[0].end, bone.tubes[0].start)
    unit = unit / np.linalg.norm(unit)
    azimuth = float(rng.uniform(0, 2 * np.pi))
    out = np.cross(unit, (np.sin(azimuth), 0.0, np.cos(azimuth)))
    out = out / np.linalg.norm(out)
    size = radius / 12.0
    half = min(0.3 * length, radius * float(rng.uniform(3.0, 5.5)))
    middle = center + out * (radius + 1.6 * size)
    metal = [_bar(middle - unit * half, middle + unit * half, 4.5 * size, 1.8 * size)]
    for place in np.linspace(-0.88, 0.88, max(4, round(half / (8 * size)))):
        head = middle + unit * half * place + out * 2 * size
        tip = head - out * 2.1 * radius
        metal.append(rod(_point(head), _point(tip), (1.9 * size, 1.5 * size), 0.0))
    return tuple(metal)


def _axis(bone: Bone, at: float) -> tuple[tuple[Floats, float], float]:
    tube_ = bone.tubes[0]
    start, end = np.array(tube_.start), np.array(tube_.end)
    stations = np.array(tube_.stations)
    across, deep, x, z = (
        float(np.interp(at, stations[:, 0], stations[:, k])) for k in (1, 2, 3, 4)
    )
    center = start + (end - start) * at + np.array([x, 0.0, z])
    return (center, float(np.linalg.norm(end - start))), (across + deep) / 2


def _bar(start: Floats, end: Floats, half_width: float, half_depth: float) -> Tube:
    rows = ((0.0, half_depth, half_width, 0.0), (1.0, half_depth, half_width, 0.0))
    return tube(_point(start), _point(end), *rows, caps=(half_width, half_width))


def _point(vector: Floats) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])
