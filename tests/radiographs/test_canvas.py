from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from greenstick.radiographs.canvas import fit, place
from greenstick.radiographs.radiograph import WHOLE, Radiograph, Reduction
from greenstick.radiographs.reducing import jpeg_reduction, wavelet_reduction

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


def grained(height: int, width: int) -> NDArray[np.float32]:
    """Return a film-like picture: all frequencies, the higher the weaker."""
    white = np.fft.rfft2(np.random.default_rng(0).normal(size=(height, width)))
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    pixels = np.fft.irfft2(white / np.maximum(np.hypot(down, across), 0.01) ** 1.2, (height, width))
    pixels -= pixels.min()
    return np.asarray(pixels / pixels.max(), np.float32)


def encoded(pixels: NDArray[np.float32], coding: str, times: int) -> tuple[Radiograph, Radiograph]:
    """Return a picture as its codec gives it back, whole and halved so often."""
    values = np.rint(pixels * 255).astype(np.uint8)
    stream, size = BytesIO(), (values.shape[1], values.shape[0])
    if coding == "JPEG":
        Image.fromarray(values).save(stream, "JPEG", quality=97)
        reduction = jpeg_reduction(times)
    else:
        irreversible = coding == "9/7"
        layers = {"quality_mode": "dB", "quality_layers": [60]} if irreversible else {}
        Image.fromarray(values).save(stream, "JPEG2000", irreversible=irreversible, **layers)
        reduction = wavelet_reduction(times, reversible=not irreversible)
    found = []
    for reduced in (0, times):
        with Image.open(stream) as image:
            if coding == "JPEG":
                image.draft("L", (size[0] >> reduced, size[1] >> reduced))
            else:
                step = 2**reduced
                image._size = tuple(-(-side // step) * step for side in size)  # type: ignore[attr-defined]
                image.reduce = reduced  # type: ignore[method-assign,assignment]
            found.append(np.asarray(image, np.float32) / np.float32(255.0))
    return Radiograph(found[0], size, ""), Radiograph(found[1], size, "", reduction)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("coding", ["JPEG", "5/3", "9/7"])
def test_a_reduced_picture_gives_the_canvas_of_the_whole_one(coding: str, times: int) -> None:
    whole, reduced = encoded(grained(1237, 901), coding, times)
    canvas_px = int(1237 / 2**times / 1.7)
    expected, placement = fit(whole, canvas_px)
    inside = slice(placement.left + 1, placement.left + placement.width - 1)

    def distance(radiograph: Radiograph) -> float:
        found = fit(radiograph, canvas_px)[0].astype(np.float64) - expected
        return float(np.square(found[1:-1, inside]).mean())

    other = 2 ** (times - 1) if coding != "JPEG" else 0.5  # where the other kind has its first
    shifted = replace(reduced.reduction, first_at=other)
    uneven = replace(reduced.reduction, boost=0.0)
    moved, left = (distance(replace(reduced, reduction=r)) for r in (shifted, uneven))
    assert distance(reduced) < 2.5  # gray levels, squared
    assert distance(reduced) < 0.85 * left
    assert distance(reduced) < 0.1 * moved


def test_what_is_whole_is_left_alone() -> None:
    assert jpeg_reduction(0) == WHOLE == Reduction()
