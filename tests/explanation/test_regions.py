import numpy as np
import pytest

from greenstick.explanation.activation_maps import heatmap
from greenstick.explanation.regions import as_boxes, regions
from greenstick.radiographs.canvas import place


def two_spots() -> np.ndarray:
    """Cells of a 16 x 16 map: one square spot, one hotter cell, far apart."""
    cells = np.full((16, 16), -6.0, np.float32)
    cells[2:6, 2:6] = 2.0
    cells[12, 12] = 4.0
    return cells


def test_each_spot_has_a_box_in_original_pixels_and_the_hottest_comes_first() -> None:
    hot, square = regions(heatmap(two_spots(), place((1600, 1600), 160)), 0.5)
    # Cells are 100 px; half the probability is reached between a spot's edge cell and the next.
    for value, expected in zip(as_boxes([square])[0], (200, 200, 400, 400), strict=True):
        assert value == pytest.approx(expected, abs=100)
    assert hot.x <= 1250 <= hot.x + hot.width
    assert hot.y <= 1250 <= hot.y + hot.height
    assert hot.probability == pytest.approx(1 / (1 + np.exp(-4.0)), abs=0.01)
    assert hot.probability > square.probability


def test_boxes_stay_on_a_film_that_is_not_square() -> None:
    found = regions(heatmap(np.full((8, 8), 3.0, np.float32), place((600, 1200), 96)), 0.5)
    assert as_boxes(found) == pytest.approx(np.array([[0, 0, 600, 1200]]))


def test_nothing_glows_and_only_so_many_are_kept() -> None:
    heat = heatmap(two_spots(), place((1600, 1600), 160))
    assert regions(heat, 0.999) == []
    assert as_boxes([]).shape == (0, 4)
    assert [round(region.probability, 2) for region in regions(heat, 0.5, most=1)] == [0.98]


def test_boxes_are_held_to_the_sides_of_fractures() -> None:
    heat = heatmap(two_spots(), place((1600, 1600), 160))
    hot, square = regions(heat, 0.5, sides=(0.2, 0.22))
    for held, free in zip((hot, square), regions(heat, 0.5), strict=True):
        assert held.width == pytest.approx(np.clip(free.width, 320, 352), abs=4)
        assert held.height == pytest.approx(np.clip(free.height, 320, 352), abs=4)
        assert held.probability == free.probability
    assert hot.x <= 1250 <= hot.x + hot.width  # the small one grew about its middle
    assert 200 <= square.x <= square.x + square.width <= 610  # the large one stays within itself
    (edge,) = regions(heatmap(np.full((8, 8), 3.0, np.float32), place((64, 64), 64)), 0.5,
                      sides=(0.1, 0.5))  # fmt: skip
    assert (edge.width, edge.height) == (32, 32)
