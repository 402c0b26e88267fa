"""Broken bones: no mass is lost where nothing opens, and fragments go where they should."""

from dataclasses import replace

import numpy as np
import pytest

from greenstick.radiographs.phantom import KINDS, plan_patient
from greenstick.radiographs.phantom.breaks import break_bone, whole
from greenstick.radiographs.phantom.fractures import Fracture, on_film
from greenstick.radiographs.phantom.limbs import rod, tube
from greenstick.radiographs.phantom.solids import Bone, Grid, View, half_chords, project

VIEW = View(np.array([[1.0, 0, 0], [0, 1.0, 0]]), np.array([60.0, 0.0]), 0.0, False)
BONE = Bone("rod", (rod((0, 10, 0), (0, 190, 0), (15, 15), 4),), breaks=1.0)
GRID = Grid((400, 240), 2.0)
WINDOW = (slice(0, 400), slice(0, 240))
FLAT = np.zeros((4, 15))


def mass(fracture: Fracture) -> np.ndarray:
    """Mm of solid bone on each ray, of all fragments."""
    shadows = [project(part, VIEW) for part in BONE.tubes]
    total = np.zeros(GRID.shape)
    for fragment in break_bone(shadows, fracture, VIEW, GRID.px_per_mm).fragments:
        half, _ = half_chords(fragment.shadows, GRID, WINDOW)
        along, across = GRID.coordinates(fragment.shadows[0], WINDOW)
        length = 2 * half
        if fragment.before is not None:
            length = fragment.before.before(along, fragment.before.column(across), half)
        if fragment.after is not None:
            length = length - fragment.after.before(along, fragment.after.column(across), half)
        if fragment.sides is not None:
            length = length * ((across > fragment.sides[0]) & (across <= fragment.sides[1]))
        total += np.maximum(length, 0)
    return total


@pytest.fixture(scope="module")
def healthy() -> np.ndarray:
    half, _ = half_chords([project(part, VIEW) for part in BONE.tubes], GRID, WINDOW)
    return 2 * half.astype(np.float64)


@pytest.mark.parametrize("slope", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.2), (0.8, -0.8)])
def test_a_closed_break_leaves_the_bone_as_it_was(
    healthy: np.ndarray, slope: tuple[float, float]
) -> None:
    closed = Fracture("oblique", 0, 0.4, slope, FLAT, gap=0.0)
    assert np.allclose(mass(closed), healthy, atol=1e-3)


def test_a_closed_spiral_leaves_the_bone_as_it_was(healthy: np.ndarray) -> None:
    closed = Fracture("spiral", 0, 0.5, (0.0, 0.0), FLAT, gap=0.0, pitch=9.0, seam=0.4)
    assert np.allclose(mass(closed), healthy, atol=1e-3)


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.7, 0.0), (0.0, 0.9)])
def test_a_gap_takes_away_a_slice_of_its_width(
    healthy: np.ndarray, slope: tuple[float, float]
) -> None:
    gap = 3.0
    lost = (healthy - mass(Fracture("oblique", 0, 0.5, slope, FLAT, gap=gap))).sum()
    assert lost / GRID.px_per_mm**2 == pytest.approx(gap * np.pi * 15**2, rel=0.05)


def test_a_crack_that_does_not_go_through_stays_on_its_side(healthy: np.ndarray) -> None:
    crack = Fracture("hairline", 0, 0.5, (0.0, 0.0), FLAT, gap=1.0, reach=0.4, from_side=1.0)
    lost = (healthy - mass(crack)).sum(axis=0)
    normal_is_leftwards = lost[:120].sum() > lost[120:].sum()
    assert normal_is_leftwards
    assert lost[130:].sum() == pytest.approx(0.0, abs=1e-3)


def test_fragments_step_by_what_they_are_displaced() -> None:
    stepped = Fracture("transverse", 0, 0.5, (0, 0), FLAT, upper=(6.0, 0.0), lower=(-6.0, 0.0))
    rays = mass(stepped)
    columns = np.arange(240) + 0.5
    above, below = (
        (rays[row] * columns).sum() / rays[row].sum() / GRID.px_per_mm for row in (190, 212)
    )
    # A few mm from the break each fragment has nearly its full displacement.
    assert above - below == pytest.approx(12.0, abs=1.5)
    ends = [(rays[row] * columns).sum() / rays[row].sum() / GRID.px_per_mm for row in (30, 370)]
    assert ends[0] - ends[1] == pytest.approx(0.0, abs=2.5)


def test_seen_along_its_displacement_a_step_is_hidden(healthy: np.ndarray) -> None:
    hidden = Fracture("transverse", 0, 0.5, (0, 0), FLAT, upper=(0, 4), lower=(0, 4), gap=0.0)
    edges = mass(hidden).sum(axis=0) > 0
    assert np.array_equal(edges, healthy.sum(axis=0) > 0)


def test_a_greenstick_opens_on_one_side_only(healthy: np.ndarray) -> None:
    bent = Fracture("greenstick", 0, 0.5, (0, 0), FLAT, upper=(8.0, 0.0), lower=(8.0, 0.0), gap=0.0)
    rays = mass(bent)[180:221]
    profile = rays.min(axis=0)
    open_columns, bone_columns = profile < 0.5, rays.max(axis=0) > 1.0
    assert 0.25 < (open_columns & bone_columns).sum() / bone_columns.sum() < 0.75
    # What is whole is no denser than the bone: the fragments do not lie over each other.
    assert rays.max() < healthy.max() * 1.1


def test_the_points_of_a_break_lie_on_the_break() -> None:
    shadows = [project(part, VIEW) for part in BONE.tubes]
    edge = break_bone(shadows, Fracture("oblique", 0, 0.5, (1.0, 0.0), FLAT), VIEW, 2.0).edge
    assert edge[:, 0].min() == pytest.approx(45.0, abs=0.5)
    assert edge[:, 0].max() == pytest.approx(75.0, abs=0.5)
    assert edge[:, 1].min() == pytest.approx(100 - 15, abs=1.0)
    assert edge[:, 1].max() == pytest.approx(100 + 15, abs=1.0)


def test_a_whole_bone_is_one_fragment_without_an_edge() -> None:
    broken = whole([project(part, VIEW) for part in BONE.tubes])
    assert len(broken.fragments) == 1
    assert broken.edge.shape == (0, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_what_makes_it(kind: str) -> None:
    patients = (plan_patient(2, index, fractured=True) for index in range(250))
    fractures = [p.fractures[0] for p in patients if p.fractures[0].kind == kind]
    steep = [np.hypot(*fracture.slope) for fracture in fractures]
    assert len(fractures) > 5
    assert all((f.pitch != 0) == (kind == "spiral") for f in fractures)
    assert all(bool(f.pieces) == (kind == "comminuted") for f in fractures)
    if kind == "transverse":
        assert max(steep) < np.tan(np.radians(13))
    if kind == "oblique":
        assert min(steep) > np.tan(np.radians(34))
    if kind in ("hairline", "greenstick"):
        assert all(f.upper == f.lower and f.overlap == 0 for f in fractures)


def test_sites_are_where_the_films_reach() -> None:
    region = plan_patient(0, 0, body_part="leg").region
    far = tube((0, 9000, 0), (0, 9400, 0), (0, 9, 9, 2), (1, 9, 9, 2))
    assert len(on_film(replace(BONE, tubes=(far,)), region)) == 0
    tibia = next(bone for bone in region.bones if bone.name == "tibia")
    assert len(on_film(tibia, region)) > 30
