"""Solids in a limb and their shadows on a film.

Everything in a limb, bone or flesh, is a union of *tubes*: a straight axis in space, and along it
elliptical cross-sections whose semi-axes, offset from the axis and shell thickness vary. The
length of a ray within a tube then has a closed form, so that a shadow costs two square roots a
pixel, whatever the view.

Limb coordinates are in mm: x to the side of the limb that is lateral, y down the limb (from trunk
to fingers or toes), z towards the X-ray tube. Film coordinates are in mm from the film's upper
left corner.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Geometry on the film's pixels: single precision is 0.05 micrometers here, and twice as quick.
#: Sums, products and roots are rounded alike on all machines; exponentials are not, and are taken
#: in double precision.
Singles = NDArray[np.float32]
Point = tuple[float, float, float]
#: Position along the axis in [0, 1], semi-axes across and in depth, offsets of the center from the
#: axis across and in depth, thickness of the shell; all but the first in mm.
Station = tuple[float, float, float, float, float, float]

_STEPS = (128, 1024)  # fewest and most steps of a shadow's tables along its axis
_STEP_MM = 0.4
_EMPTY = 1e6  # 1 / half-width of nothing: makes the chord zero without a branch


@dataclass(frozen=True)
class Tube:
    """A straight axis with elliptical cross-sections.

    Attributes
    ----------
    start, end
        Ends of the axis in limb coordinates, mm.
    stations
        Cross-sections along the axis, at least two, by position.
    caps
        Length in mm over which each end rounds off.
    """

    start: Point
    end: Point
    stations: tuple[Station, ...]
    caps: tuple[float, float] = (6.0, 6.0)


@dataclass(frozen=True)
class Bone:
    """A bone: tubes that grow into each other; the first is the one that breaks.

    Attributes
    ----------
    name
        As in anatomy.
    tubes
        Its parts. Their union is hollow: no walls inside.
    spongy
        Density of the marrow space, relative to cortex, in the shaft and at the ends.
    breaks
        Relative frequency of fractures, 0 where this bone never breaks here.
    sites
        Where along the first tube it may break, as fractions.
    plates
        Where along the first tube its growth plates lie in a child, as fractions.
    """

    name: str
    tubes: tuple[Tube, ...]
    spongy: tuple[float, float] = (0.05, 0.22)
    breaks: float = 0.0
    sites: tuple[float, float] = (0.15, 0.85)
    plates: tuple[float, ...] = ()


@dataclass(frozen=True)
class View:
    """An orthographic projection of limb coordinates onto the film.

    Attributes
    ----------
    matrix
        (2, 3): film = matrix @ point + offset, in mm.
    offset
        (2,), mm.
    turn
        Rotation of the limb about its long axis, radians; 0 is frontal.
    mirrored
        Whether x is mirrored (a right limb).
    """

    matrix: Floats
    offset: Floats
    turn: float
    mirrored: bool

    def point(self, point: Point) -> Floats:
        """Project one point to the film, mm."""
        projected: Floats = self.matrix @ np.asarray(point, dtype=np.float64) + self.offset
        return projected

    def across(self, across: float, depth: float) -> tuple[float, float]:
        """Return what a transverse vector shows across the limb, and along the ray."""
        cos, sin = float(np.cos(self.turn)), float(np.sin(self.turn))
        return across * cos + depth * sin, depth * cos - across * sin


@dataclass(frozen=True)
class Shadow:
    """A tube as seen from one direction.

    Attributes
    ----------
    start, end
        Ends of its axis on the film, mm, shape (2,).
    outer, inner
        Tables along the axis, shape (2, steps + 2): 1 / half-width and half-depth of the whole
        and of the space within its shell. The first and last step are empty.
    shift
        (steps + 2,): offset of the cross-section's center across the axis, mm.
    reach
        Largest distance in mm of its edge from the axis.
    """

    start: Floats
    end: Floats
    outer: Singles
    inner: Singles
    shift: Singles
    reach: float

    @property
    def length(self) -> float:
        """Length of the axis on the film, mm."""
        return float(np.hypot(*(self.end - self.start)))

    @property
    def along(self) -> Floats:
        """Unit vector along the axis, shape (2,)."""
        return (self.end - self.start) / self.length

    def moved(self, move: "Move") -> "Shadow":
        """Return the shadow after a rigid movement on the film."""
        return replace(self, start=move(self.start), end=move(self.end))

    @property
    def steps(self) -> int:
        """Number of steps of the tables that are not empty."""
        return len(self.shift) - 2

    def half_width(self, fraction: float) -> float:
        """Half-width in mm at a fraction of the axis."""
        return float(1.0 / self.outer[0, self._step(fraction)])

    def half_depth(self, fraction: float) -> float:
        """Half of the ray's length in mm within the tube, at its center."""
        return float(self.outer[1, self._step(fraction)])

    def center(self, fraction: float) -> float:
        """Offset in mm of the tube's center from the axis, across it."""
        return float(self.shift[self._step(fraction)])

    def _step(self, fraction: float) -> int:
        return 1 + min(int(fraction * self.steps), self.steps - 1)


@dataclass(frozen=True)
class Move:
    """A rotation about a point of the film, then a translation, mm."""

    center: Floats
    angle: float
    by: Floats

    def __call__(self, points: Floats) -> Floats:
        """Move points of shape (..., 2)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned: Floats = (points - self.center) @ np.array([[cos, sin], [-sin, cos]])
        return turned + self.center + self.by


#: Rows and columns of the film.
Window = tuple[slice, slice]
STILL = Move(np.zeros(2), 0.0, np.zeros(2))


def project(tube: Tube, view: View) -> Shadow:
    """Project a tube onto the film.

    The shadow of an ellipse with semi-axes a, b is as wide as its extent across the axis, and its
    central chord follows from its area; a tube that leans towards the tube is seen shorter and
    its chords longer.
    """
    start, end = np.asarray(tube.start, dtype=np.float64), np.asarray(tube.end, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    axis = (end - start) / length
    lateral, deep = _frame(axis)
    seen = view.matrix @ axis
    foreshortening = float(np.hypot(*seen))
    # Seen end on, any direction will do: the film's own vertical is as good as another.
    along = seen / foreshortening if foreshortening > 0.15 else np.array([0.0, 1.0])
    normal = np.array([-along[1], along[0]])
    profile = _profile(tube.stations, tube.caps, length)
    extents = (float(normal @ view.matrix @ lateral), float(normal @ view.matrix @ deep))
    lean = float(np.sqrt(max(0.0, 1.0 - foreshortening**2)))
    limit = 1.0 / max(foreshortening, 0.45)
    outer = _cross_sections(profile[0], profile[1], extents, limit)
    inner = _cross_sections(profile[4], profile[5], extents, limit)
    shift = profile[2] * extents[0] + profile[3] * extents[1]
    middle = view.point(tuple((start + end) / 2))
    half = along * (length * foreshortening / 2 + lean * float(profile[:2].mean()))
    reach = float((1.0 / outer[0, 1:-1] + np.abs(shift[1:-1])).max())
    return Shadow(
        middle - half,
        middle + half,
        outer.astype(np.float32),
        inner.astype(np.float32),
        shift.astype(np.float32),
        reach,
    )


def _frame(axis: Floats) -> tuple[Floats, Floats]:
    """Unit vectors across an axis: as far as may be to the side, and towards the tube."""
    x, y, z = (float(value) for value in axis)
    lateral = np.array([y, -x, 0.0]) if abs(z) < 0.9 else np.array([1.0 - x * x, -x * y, -x * z])
    lateral /= np.sqrt(np.sum(lateral * lateral))
    a, b, c = (float(value) for value in lateral)
    return lateral, np.array([b * z - c * y, c * x - a * z, a * y - b * x])


@lru_cache(maxsize=256)
def _profile(stations: tuple[Station, ...], caps: tuple[float, float], length: float) -> Floats:
    """Tables along the axis, (6, steps + 2): semi-axes, offsets, inner semi-axes; ends empty."""
    rows = np.array(stations, dtype=np.float64)
    steps = round(min(max(length / _STEP_MM, _STEPS[0]), _STEPS[1]))
    at = (np.arange(steps) + 0.5) / steps
    half_x, half_z, shift_x, shift_z, shell = _smooth(rows[:, 0], rows[:, 1:].T, at)
    cap = _rounding(at * length, caps, length)
    ends = float(shell[0]), float(shell[-1])
    hollow = _rounding(at * length, caps, length, ends)
    profile = np.zeros((6, steps + 2))
    profile[:2, 1:-1] = np.maximum(half_x, 0.1) * cap, np.maximum(half_z, 0.1) * cap
    profile[2:4, 1:-1] = shift_x, shift_z
    profile[4, 1:-1] = np.maximum(half_x - shell, 0.0) * hollow
    profile[5, 1:-1] = np.maximum(half_z - shell, 0.0) * hollow
    return profile


def _rounding(
    at: Floats,
    caps: tuple[float, float],
    length: float,
    shells: tuple[float, float] = (0.0, 0.0),
) -> Floats:
    """Shrink the ends as an ellipse does, over the caps' lengths, within shells of a thickness."""
    lengths = [max(cap - shell, 0.3 * cap) for cap, shell in zip(caps, shells, strict=True)]
    first = np.clip((at - shells[0]) / lengths[0], 0.0, 1.0)
    last = np.clip((length - shells[1] - at) / lengths[1], 0.0, 1.0)
    rounded: Floats = np.sqrt(first * (2 - first) * last * (2 - last))
    return rounded


def _smooth(knots: Floats, values: Floats, at: Floats) -> Floats:
    """Cubic Hermite curves through values of shape (n, knots), slopes by finite differences."""
    slopes = np.gradient(values, knots, axis=1)
    left = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    step = knots[left + 1] - knots[left]
    t = (at - knots[left]) / step
    rest = t * t * (3 - 2 * t)
    bend = slopes[:, left] * (t * (1 - t) ** 2) - slopes[:, left + 1] * (t * t * (1 - t))
    curves: Floats = values[:, left] * (1 - rest) + values[:, left + 1] * rest + bend * step
    return curves


def _cross_sections(
    half_x: Floats, half_z: Floats, extents: tuple[float, float], limit: float
) -> Floats:
    width = np.hypot(half_x * extents[0], half_z * extents[1])
    solid = width > 1e-3
    table = np.full((2, len(width)), _EMPTY)
    table[0, solid] = 1.0 / width[solid]
    table[1] = 0.0
    table[1, solid] = half_x[solid] * half_z[solid] / width[solid] * limit
    return table


@dataclass(frozen=True)
class Grid:
    """The film's pixels.

    Attributes
    ----------
    shape
        (height, width) in pixels.
    px_per_mm
        Pixels a mm.
    """

    shape: tuple[int, int]
    px_per_mm: float

    def window(self, shadows: Iterable[Shadow]) -> Window:
        """Return the rows and columns that hold these shadows, as far as they are on the film."""
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for shadow in shadows:
            low = np.minimum(low, np.minimum(shadow.start, shadow.end) - shadow.reach)
            high = np.maximum(high, np.maximum(shadow.start, shadow.end) + shadow.reach)
        first = np.floor(low * self.px_per_mm).astype(int)
        last = np.ceil(high * self.px_per_mm).astype(int) + 1
        size = np.array([self.shape[1], self.shape[0]])
        first = np.clip(first, 0, size)
        last = np.clip(last, first, size)
        return slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0]))

    def coordinates(self, shadow: Shadow, window: Window) -> tuple[Singles, Singles]:
        """Return distance along and across a shadow's axis, mm, for the window's pixels."""
        rows, columns = window
        y = (np.arange(rows.start, rows.stop) + 0.5) / self.px_per_mm - shadow.start[1]
        x = (np.arange(columns.start, columns.stop) + 0.5) / self.px_per_mm - shadow.start[0]
        cos, sin = shadow.along
        down = [(y * part).astype(np.float32)[:, None] for part in (sin, cos)]
        right = [(x * part).astype(np.float32)[None, :] for part in (cos, -sin)]
        return down[0] + right[0], down[1] + right[1]


def half_chords(shadows: Iterable[Shadow], grid: Grid, window: Window) -> tuple[Singles, Singles]:
    """Half the ray's length within a union of tubes, and within its hollow, mm.

    Returns two arrays of the window's shape. The union is taken as the longest of the chords,
    which holds where the tubes' centers lie in about the same depth.
    """
    rows, columns = window
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    whole, hollow = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for shadow in shadows:
        own = _within(grid.window([shadow]), window)
        if own[0].stop <= own[0].start or own[1].stop <= own[1].start:
            continue
        part = (
            slice(own[0].start - rows.start, own[0].stop - rows.start),
            slice(own[1].start - columns.start, own[1].stop - columns.start),
        )
        along, across = grid.coordinates(shadow, own)
        step = _steps(shadow, along)
        across -= shadow.shift[step]
        for total, table in ((whole, shadow.outer), (hollow, shadow.inner)):
            chord = table[0][step]
            chord *= across
            np.square(chord, out=chord)
            np.subtract(1.0, chord, out=chord)
            np.maximum(chord, 0.0, out=chord)
            np.sqrt(chord, out=chord)
            chord *= table[1][step]
            np.maximum(total[part], chord, out=total[part])
    return whole, hollow


def _steps(shadow: Shadow, along: Singles) -> NDArray[np.intp]:
    """Place in the shadow's tables; the first and the last one are beyond its ends."""
    place = along * np.float32(shadow.steps / shadow.length)
    place += 1.0  # truncation takes (-1, 0) to 0
    np.maximum(place, 0.0, out=place)
    np.minimum(place, np.float32(shadow.steps + 1), out=place)
    return place.astype(np.intp)


def _within(inner: Window, outer: Window) -> Window:
    rows, columns = (
        slice(max(i.start, o.start), min(i.stop, o.stop)) for i, o in zip(inner, outer, strict=True)
    )
    return rows, columns
