import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.special import expit

from greenstick.explanation.activation_maps import Heatmap, heatmap, measure
from greenstick.radiographs.canvas import place

logits = hnp.arrays(np.float32, (7, 7), elements=st.floats(-20, 20, width=32))


def spot(row: int, column: int, size: tuple[int, int] = (320, 320)) -> Heatmap:
    cells = np.full((10, 10), -8.0, np.float32)
    cells[row, column] = 4.0
    return heatmap(cells, place(size, 160))


@given(logits, st.floats(0.2, 5.0))
def test_probabilities_are_those_of_the_cells_on_one_scale(
    cells: NDArray[np.float32], temperature: float
) -> None:
    heat = heatmap(cells, place((60, 90), 70), temperature=temperature)
    assert heat.probabilities.shape == (90, 60)
    scaled = cells / np.float32(temperature)
    assert expit(scaled.min()) * 0.999 - 1e-6 <= heat.probabilities.min()
    assert heat.probabilities.max() <= expit(scaled.max()) * 1.001 + 1e-6


def test_a_normal_film_does_not_glow() -> None:
    cells = np.full((7, 7), -5.0, np.float32)
    cells[3, 3] = -3.0  # the highest of the image, but low
    assert heatmap(cells, place((70, 70), 70)).probabilities.max() < 0.05


@pytest.mark.parametrize(
    ("row", "column", "expected"), [(5, 5, (176, 176)), (0, 9, (304, 16)), (9, 0, (16, 304))]
)
def test_the_peak_is_at_the_cell(row: int, column: int, expected: tuple[int, int]) -> None:
    x, y = spot(row, column).peak
    assert x == pytest.approx(expected[0], abs=17)
    assert y == pytest.approx(expected[1], abs=17)


def test_the_peak_of_a_saturated_map_is_still_found() -> None:
    cells = np.full((10, 10), 60.0, np.float32)  # every probability is 1 in float32
    cells[2, 7] = 90.0
    x, y = heatmap(cells, place((100, 100), 100)).peak
    assert (x, y) == pytest.approx((75, 25), abs=6)


def test_heat_in_the_padding_is_not_told() -> None:
    # A tall film: the outer quarters of the canvas are padding.
    heat = spot(5, 0, size=(160, 320))
    assert heat.probabilities.max() < 0.01
    assert 0 <= heat.peak[0] <= 160


@given(
    logits,
    hnp.arrays(np.float64, (2, 4), elements=st.floats(0, 90)),
)
def test_measures_agree_with_counting_pixels(
    cells: NDArray[np.float32], boxes: NDArray[np.float64]
) -> None:
    boxes = np.round(boxes)
    heat = heatmap(cells, place((60, 90), 70))
    inside = np.zeros((90, 60), np.bool_)
    rows, columns = np.mgrid[0:90, 0:60]
    for x, y, w, h in boxes:
        inside |= (x <= columns) & (columns < x + w) & (y <= rows) & (rows < y + h)
    agreement = measure(heat, boxes)
    assert agreement.box_area_share == pytest.approx(inside.mean())
    mass = heat.probabilities[inside].sum() / heat.probabilities.sum()
    assert agreement.mass_in_boxes == pytest.approx(mass, abs=1e-4)


def test_the_peak_hits_the_box_around_it_and_no_other() -> None:
    heat = spot(5, 5)
    assert measure(heat, [[150, 150, 60, 60]]).peak_hit
    assert measure(heat, [[0, 0, 20, 20], [150, 150, 60, 60]]).peak_hit
    assert not measure(heat, [[0, 0, 100, 100]]).peak_hit
    assert measure(heat, [[150, 150, 60, 60]]).mass_in_boxes > 0.9


def test_a_box_over_the_whole_image_holds_everything() -> None:
    agreement = measure(spot(3, 3), [[-5, -5, 1000, 1000]])
    assert agreement.peak_hit
    assert agreement.mass_in_boxes == pytest.approx(1.0)
    assert agreement.box_area_share == 1.0


def test_no_boxes_hold_nothing() -> None:
    agreement = measure(spot(3, 3), [])
    assert not agreement.peak_hit
    assert (agreement.mass_in_boxes, agreement.box_area_share) == (0.0, 0.0)


def test_pixels_are_ranked_as_a_person_would_count_them() -> None:
    cells = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32).repeat(64, 0).repeat(64, 1)
    heat = heatmap(cells, place((128, 128), 128))
    # Of the quarters 0, 1, 2, 3 the box holds 2: it is above two of the three others.
    found = measure(heat, [[0, 64, 64, 64]]).pixel_auroc
    assert found == pytest.approx(2 / 3, abs=0.02)
    assert measure(heat, [[0, 0, 128, 128]]).pixel_auroc is None
