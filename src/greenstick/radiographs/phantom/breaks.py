"""A broken bone as one view sees it: cut surfaces, and fragments that move.

A break is a surface through the bone, given as the distance along its axis at which each ray
meets the front and the back of the bone. What lies before the surface stays with the upper joint,
what lies behind it with the lower one; each fragment turns about its own joint, so that the joints
stay whole and the break opens, steps and bends as on a film.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenstick.radiographs.phantom.fractures import TEETH, Fracture, Piece, direction, pair
from greenstick.radiographs.phantom.solids import STILL, Floats, Move, Shadow, Singles, View

_COLUMNS = 257  # steps of a cut's tables across the bone
_SPREAD = 2.0  # the tables reach this many half-widths to both sides


@dataclass(frozen=True)
class Cut:
    """A surface through a bone as one view sees it.

    Attributes
    ----------
    center, spread
        Where its tables lie across the axis: from center - spread to center + spread, mm.
    middle, slant
        (257,): mm along the axis at half depth, and mm along the axis for each mm of depth.
    """

    center: float
    spread: float
    middle: Singles
    slant: Singles

    def before(self, along: Singles, column: NDArray[np.intp], half: Singles) -> Singles:
        """Length of a chord, ``2 * half`` long, that lies before the surface, mm."""
        part = (self.middle[column] - along) / self.slant[column]
        length: Singles = np.clip(part + half, 0.0, 2 * half)
        return length

    def column(self, across: Floats | Singles) -> NDArray[np.intp]:
        """Return the place in the tables for distances across the axis."""
        scale = (_COLUMNS - 1) / (2 * self.spread)
        place = (across - (self.center - self.spread)) * scale
        columns: NDArray[np.intp] = np.clip(place, 0, _COLUMNS - 1).astype(np.intp)
        return columns


@dataclass(frozen=True)
class Bend:
    """Angle in radians between two fragments, as seen on the film and in depth."""

    across: float
    deep: float


@dataclass(frozen=True)
class Fragment:
    """A part of a bone as one view sees it.

    Attributes
    ----------
    shadows
        The whole bone's tubes, moved with the fragment.
    after, before
        The surfaces that it lies between; None where it ends with the bone.
    sides
        Extent across the axis in mm, or None for all.
    """

    shadows: tuple[Shadow, ...]
    after: Cut | None = None
    before: Cut | None = None
    sides: tuple[float, float] | None = None


@dataclass(frozen=True)
class Broken:
    """A bone in fragments, and the points on the film that its break spans, (n, 2) in mm."""

    fragments: tuple[Fragment, ...]
    edge: Floats


def break_bone(
    shadows: Sequence[Shadow], fracture: Fracture, view: View, px_per_mm: float
) -> Broken:
    """Return a bone's fragments as one view sees them.

    Parameters
    ----------
    shadows
        Its tubes; the first one breaks.
    fracture
        How.
    view
        From where.
    px_per_mm
        Resolution; a cut is spread over about a pixel, so that it does not alias.
    """
    axis = shadows[0]
    upper_move, lower_move = _moves(axis, fracture, view)
    bend = Bend(upper_move.angle - lower_move.angle, _out_of_plane(fracture, view, axis.length))
    first = _surface(axis, fracture, view, px_per_mm, second=False, bend=bend)
    last = _surface(axis, fracture, view, px_per_mm, second=True, bend=bend)
    upper = tuple(s.moved(upper_move) for s in shadows)
    lower = tuple(s.moved(lower_move) for s in shadows)
    fragments = [Fragment(upper, before=first), Fragment(lower, after=last)]
    points = [_trace(upper[0], first, fracture), _trace(lower[0], last, fracture)]
    for piece in fracture.pieces:
        fragment = _loose(shadows, fracture, piece, view, (first, last))
        fragments.append(fragment)
        points.append(_corners(fragment))
    return Broken(tuple(fragments), np.concatenate(points))


def _moves(axis: Shadow, fracture: Fracture, view: View) -> tuple[Move, Move]:
    """Turn each fragment about its own joint so that its end is displaced as it should be."""
    normal = np.array([-axis.along[1], axis.along[0]])
    before = axis.length * fracture.site
    after = axis.length - before
    up, down = (float(normal @ _across(view, v)) for v in (fracture.upper, fracture.lower))
    turns = up / before, -down / after
    # Two sides of a triangle are longer than the third: a bone that bends draws its joints closer.
    shorter = before * (1 - np.cos(turns[0])) + after * (1 - np.cos(turns[1]))
    slide = -axis.along * (fracture.overlap + shorter)
    return Move(axis.start, turns[0], np.zeros(2)), Move(axis.end, turns[1], slide)


def _across(view: View, vector: tuple[float, float]) -> Floats:
    seen: Floats = view.matrix @ np.array([vector[0], 0.0, vector[1]])
    return seen


def _out_of_plane(fracture: Fracture, view: View, length: float) -> float:
    """Widening of the gap for each mm of depth, where the bend is towards the tube or away."""
    up, down = (view.across(*v)[1] for v in (fracture.upper, fracture.lower))
    return (up / fracture.site + down / (1 - fracture.site)) / length


def _surface(
    axis: Shadow,
    fracture: Fracture,
    view: View,
    px_per_mm: float,
    *,
    second: bool,
    bend: Bend,
) -> Cut:
    """Return the break's surface; the second one bounds what belongs to the lower joint."""
    half_width, half_depth = axis.half_width(fracture.site), axis.half_depth(fracture.site)
    across = np.linspace(-_SPREAD, _SPREAD, _COLUMNS)
    depth = half_depth * np.sqrt(np.maximum(1 - across**2, 0.0))
    shattered = second and fracture.zone > 0
    slope = fracture.second_slope if shattered else fracture.slope
    normal = np.array([-axis.along[1], axis.along[0]])
    rise = float(normal @ _across(view, slope))
    deep_rise = view.across(*slope)[1]
    center = axis.length * fracture.site + (0.5 if second else -0.5) * fracture.zone
    teeth = fracture.teeth[2:] if shattered else fracture.teeth[:2]
    knots = np.linspace(-1.0, 1.0, TEETH)
    sides = []
    for side, tooth in ((1.0, teeth[0]), (-1.0, teeth[1])):
        at = center + rise * half_width * across + side * deep_rise * depth
        at += np.interp(across, knots, tooth) + _twist(fracture, view, normal, across, side)
        sides.append(at + _gap(fracture, bend, across * half_width, side * depth) if second else at)
    sharpest = 0.5 / (px_per_mm * half_depth)
    slant = np.maximum(
        np.abs(sides[0] - sides[1]) / (2 * np.maximum(depth, 0.3 * half_depth)), sharpest
    )
    middle = (sides[0] + sides[1]) / 2
    return Cut(
        axis.center(fracture.site),
        _SPREAD * half_width,
        middle.astype(np.float32),
        slant.astype(np.float32),
    )


def _gap(fracture: Fracture, bend: Bend, across: Floats, deep: Floats) -> Floats:
    """Mm by which the lower fragment's surface lies behind the upper one's, before it moves.

    ``across`` and ``deep`` are mm from the bone's center, shape (n,).
    """
    widest, deepest = across[-1] / _SPREAD, np.abs(deep).max()
    largest = abs(bend.across) * widest + abs(bend.deep) * deepest
    if fracture.kind == "greenstick":
        # Opens where the bend pulls; where it presses, the cortex is bent but whole.
        turned = bend.across * across
        opened: Floats = np.maximum(turned + bend.deep * deep + 0.1 * largest, 0.0) - turned
        return opened
    from_edge = (1.0 - fracture.from_side * across / widest) / 2
    # A crack that does not go through tapers to nothing.
    open_part = np.clip((fracture.reach - from_edge) / 0.12, 0.0, 1.0)
    # Bent fragments prop each other open on the far side, and are driven into each other a little.
    gap: Floats = fracture.gap * open_part + 0.75 * largest + bend.deep * deep
    return gap


def _twist(fracture: Fracture, view: View, normal: Floats, across: Floats, side: float) -> Floats:
    """Rise of a spiral on the front (side 1) or the back (-1) of the bone, mm."""
    if fracture.pitch == 0:
        return np.zeros_like(across)
    seam = pair(direction(fracture.seam))
    start = np.arctan2(float(normal @ _across(view, seam)), view.across(*seam)[1])
    angle = np.arcsin(np.clip(across, -1.0, 1.0))
    if side < 0:
        angle = np.pi - angle
    rise: Floats = fracture.pitch * (np.mod(angle - start, 2 * np.pi) - np.pi)
    return rise


def _loose(
    shadows: Sequence[Shadow],
    fracture: Fracture,
    piece: Piece,
    view: View,
    cuts: tuple[Cut, Cut],
) -> Fragment:
    axis = shadows[0]
    normal = np.array([-axis.along[1], axis.along[0]])
    half_width = axis.half_width(fracture.site)
    center = axis.start + axis.along * axis.length * fracture.site
    drift = normal * float(normal @ _across(view, piece.drift[:2])) + axis.along * piece.drift[2]
    # The pieces follow the bend of the bone.
    bend = normal * float(
        normal @ (_across(view, fracture.upper) + _across(view, fracture.lower)) / 2
    )
    move = Move(center, piece.turn, drift + bend)
    sides = tuple(cuts[0].center + half_width * side for side in piece.sides)
    moved = tuple(s.moved(move) for s in shadows)
    return Fragment(moved, after=cuts[0], before=cuts[1], sides=(sides[0], sides[1]))


def _trace(axis: Shadow, cut: Cut, fracture: Fracture) -> Floats:
    """Points on the film along both lines in which a surface meets the bone."""
    half_width, half_depth = axis.half_width(fracture.site), axis.half_depth(fracture.site)
    across = np.linspace(-1.0, 1.0, 65)
    if fracture.kind == "hairline":
        across = across[(1 - fracture.from_side * across) / 2 <= fracture.reach]
    depth = half_depth * np.sqrt(np.maximum(1 - across**2, 0.0))
    column = cut.column(cut.center + across * half_width)
    lines = [cut.middle[column] + sign * cut.slant[column] * depth for sign in (-1, 1)]
    lines = [np.clip(line, 0.0, axis.length) for line in lines]
    across = cut.center + across * half_width
    return np.concatenate([_on_film(axis, line, across) for line in lines])


def _corners(fragment: Fragment) -> Floats:
    axis, sides = fragment.shadows[0], fragment.sides
    if sides is None or fragment.after is None or fragment.before is None:
        return np.zeros((0, 2))
    cut = fragment.after
    low, high = cut.center - cut.spread / _SPREAD, cut.center + cut.spread / _SPREAD
    across = np.linspace(max(sides[0], low), min(sides[1], high), 17)
    column = cut.column(across)
    ends = [c.middle[column] for c in (fragment.after, fragment.before)]
    return np.concatenate([_on_film(axis, end, across) for end in ends])


def _on_film(axis: Shadow, along: Floats | Singles, across: Floats) -> Floats:
    normal = np.array([-axis.along[1], axis.along[0]])
    points: Floats = axis.start + along[:, None] * axis.along + across[:, None] * normal
    return points


def whole(shadows: Sequence[Shadow]) -> Broken:
    """Return an unbroken bone as its one fragment."""
    still = tuple(s.moved(STILL) for s in shadows)
    return Broken((Fragment(still),), np.zeros((0, 2)))
