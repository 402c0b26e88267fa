"""Lengths of rays within drawn solids, against closed forms."""

import numpy as np
import pytest

from greenstick.radiographs.phantom.limbs import blob, rod, tube
from greenstick.radiographs.phantom.solids import Grid, Move, View, half_chords, project

GRID = Grid((120, 120), 1.0)
EVERYWHERE = (slice(0, 120), slice(0, 120))


def seen_from(turn: float, tilt: float = 0.0) -> View:
    cos, sin = np.cos(tilt), np.sin(tilt)
    limb = np.array([[np.cos(turn), 0.0, np.sin(turn)], [0.0, 1.0, 0.0]])
    return View(np.array([[cos, -sin], [sin, cos]]) @ limb, np.array([60.0, 60.0]), turn, False)


def distances() -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(120) + 0.5 - 60.0
    return at[None, :], at[:, None]


@pytest.mark.parametrize("turn", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_a_ball_is_a_ball_from_everywhere(turn: float, tilt: float) -> None:
    shadow = project(blob((0, 0, 0), (30.0, 30.0, 30.0), 5.0), seen_from(turn, tilt))
    whole, hollow = half_chords([shadow], GRID, EVERYWHERE)
    x, y = distances()
    # Squares, since the chord rises steeply at the rim: 16 is a quarter of a mm along there.
    squared = x**2 + y**2
    assert np.allclose(whole**2, np.maximum(900 - squared, 0), atol=16)
    assert np.allclose(hollow**2, np.maximum(625 - squared, 0), atol=16)


@pytest.mark.parametrize("turn", [0.0, 0.6, np.pi / 2])
def test_an_elliptical_tube_turns(turn: float) -> None:
    station = (20.0, 10.0, 0.0)
    shadow = project(tube((0, -200, 0), (0, 200, 0), (0, *station), (1, *station)), seen_from(turn))
    whole, _ = half_chords([shadow], GRID, EVERYWHERE)
    width = np.hypot(20 * np.cos(turn), 10 * np.sin(turn))
    x, _ = distances()
    expected = 200 / width * np.sqrt(np.maximum(1 - (x / width) ** 2, 0))
    assert np.allclose(whole, np.broadcast_to(expected, whole.shape), atol=1e-3)


def test_a_leaning_tube_has_longer_chords() -> None:
    # 45 degrees towards the X-ray tube: each chord is longer by the square root of two.
    leaning = rod((0, -200, -200), (0, 200, 200), (15.0, 15.0), 0.0)
    whole, _ = half_chords([project(leaning, seen_from(0.0))], GRID, EVERYWHERE)
    assert whole[60, 60] == pytest.approx(np.sqrt(2) * np.sqrt(15**2 - 0.5**2), rel=0.01)


def test_the_volume_does_not_depend_on_the_view() -> None:
    solid = tube(
        (-10, -35, 4), (12, 30, -6), (0, 12, 9, 2), (0.5, 8, 8, 3), (1, 14, 10, 1), caps=(9, 9)
    )
    volumes = [
        2 * half_chords([project(solid, seen_from(turn))], GRID, EVERYWHERE)[0].sum()
        for turn in (0.0, 0.5, 1.0, 1.5)
    ]
    assert max(volumes) / min(volumes) < 1.07


def test_a_union_has_no_walls_inside() -> None:
    view = seen_from(0.0)
    halves = [
        rod((0, -200, 0), (0, 20, 0), (15, 15), 3),
        rod((0, -20, 0), (0, 200, 0), (15, 15), 3),
    ]
    union = half_chords([project(half, view) for half in halves], GRID, EVERYWHERE)
    single = half_chords(
        [project(rod((0, -200, 0), (0, 200, 0), (15, 15), 3), view)], GRID, EVERYWHERE
    )
    assert np.allclose(union[0], single[0], atol=1e-3)
    assert np.allclose(union[1], single[1], atol=1e-3)


def test_beside_the_film_there_is_nothing() -> None:
    shadow = project(blob((500, 0, 0), (30, 30, 30)), seen_from(0.0))
    rows, columns = GRID.window([shadow])
    assert (rows.stop - rows.start) * (columns.stop - columns.start) == 0
    whole, hollow = half_chords([shadow], GRID, EVERYWHERE)
    assert not whole.any()
    assert not hollow.any()


def test_a_move_turns_about_its_center() -> None:
    quarter = Move(np.array([10.0, 10.0]), np.pi / 2, np.array([0.0, 5.0]))
    assert np.allclose(quarter(np.array([20.0, 10.0])), [10.0, 25.0])
