import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from greenstick.radiographs.canvas import fit, place
from greenstick.radiographs.radiograph import Radiograph

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
canvases = st.integers(8, 1024)
boxes = hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 3000, allow_subnormal=False))


def film(height: int, width: int, value: float = 1.0) -> Radiograph:
    return Radiograph(np.full((height, width), value, np.float32), (width, height), "test")


@given(sizes, canvases, boxes)
def test_boxes_come_back(
    size: tuple[int, int], canvas: int, given_boxes: NDArray[np.float64]
) -> None:
    placement = place(size, canvas)
    back = placement.to_original(placement.to_canvas(given_boxes))
    np.testing.assert_allclose(back, given_boxes, atol=1e-6, rtol=1e-9)


@given(sizes, canvases)
def test_the_picture_lies_within_the_canvas_centered_and_unstretched(
    size: tuple[int, int], canvas: int
) -> None:
    placement = place(size, canvas)
    assert max(placement.width, placement.height) == canvas
    assert 0 <= placement.left <= canvas - placement.width <= 2 * placement.left + 1
    assert 0 <= placement.top <= canvas - placement.height <= 2 * placement.top + 1
    scale = canvas / max(size)
    assert abs(placement.width - size[0] * scale) <= max(0.5, 1 - size[0] * scale)
    assert abs(placement.height - size[1] * scale) <= max(0.5, 1 - size[1] * scale)


@given(st.integers(4, 90), st.integers(4, 90), st.integers(8, 64))
def test_padding_is_black_and_a_plain_picture_stays_plain(
    height: int, width: int, canvas: int
) -> None:
    drawn, placement = fit(film(height, width, 0.6), canvas)
    inside = np.zeros((canvas, canvas), np.bool_)
    inside[
        placement.top : placement.top + placement.height,
        placement.left : placement.left + placement.width,
    ] = True
    assert drawn.dtype == np.uint8
    assert (drawn[inside] == 153).all()
    assert not drawn[~inside].any()


@given(st.integers(40, 400), st.integers(40, 400), st.floats(0, 0.99), st.floats(0, 0.99))
def test_the_peak_of_a_map_lands_where_it_was(height: int, width: int, x: float, y: float) -> None:
    placement = place((width, height), 256)
    column, row = x * width, y * height
    where = placement.to_canvas(np.array([[column, row, 1.0, 1.0]]))[0]
    cells = np.zeros((32, 32), np.float32)
    cells[int(where[1] // 8), int(where[0] // 8)] = 1.0
    back = placement.map_to_original(cells)
    assert back.shape == (height, width)
    peak_row, peak_column = np.unravel_index(back.argmax(), back.shape)
    cell = 8 * max(height, width) / 256  # one cell in original pixels
    assert abs(peak_row - row) <= cell + 1
    assert abs(peak_column - column) <= cell + 1


def test_a_bright_spot_is_where_the_box_says() -> None:
    pixels = np.zeros((300, 500), np.float32)
    pixels[120:130, 400:410] = 1.0
    drawn, placement = fit(Radiograph(pixels, (500, 300), "test"), 250)
    rows, columns = np.nonzero(drawn > 127)
    box = placement.to_canvas(np.array([[400.0, 120.0, 10.0, 10.0]]))[0]
    assert columns.min() == box[0]
    assert columns.max() + 1 == box[0] + box[2]
    assert rows.min() == box[1]
    assert rows.max() + 1 == box[1] + box[3]


def test_shrinking_does_not_alias() -> None:
    # Stripes too fine for the canvas must become gray, not coarser stripes.
    stripes = np.tile(np.arange(900) % 2, (900, 1)).astype(np.float32)
    drawn, _ = fit(Radiograph(stripes, (900, 900), "test"), 320)
    assert drawn[10:-10, 10:-10].std() < 4.0


def test_a_reduced_decode_is_placed_like_the_whole_picture() -> None:
    whole = film(600, 401)
    half = Radiograph(np.ones((300, 201), np.float32), (401, 600), "test")
    assert fit(whole, 128)[1] == fit(half, 128)[1]
    np.testing.assert_array_equal(fit(whole, 128)[0], fit(half, 128)[0])


@pytest.mark.parametrize("shape", [(0, 4), (4,), (1, 4)])
def test_boxes_of_any_number_map(shape: tuple[int, ...]) -> None:
    placement = place((30, 20), 60)
    assert placement.to_canvas(np.ones(shape)).shape[-1] == 4
