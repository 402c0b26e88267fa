"""A part of a radiograph on the canvas, there and back, against plain arithmetic."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from greenstick.explanation.activation_maps import heatmap, measure
from greenstick.explanation.overlay import overlay
from greenstick.explanation.regions import regions
from greenstick.radiographs.canvas import fit, place
from greenstick.radiographs.opening import open_radiograph, open_region
from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.region import Region, square_around

sides = st.integers(20, 900)
places = st.floats(0.0, 1.0)


@given(sides, sides, places, places, st.floats(1, 400), st.floats(1, 400), st.floats(0, 0.5))
def test_the_square_lies_within_the_image_and_shows_the_middle_of_the_box(
    across: int, down: int, x: float, y: float, width: float, height: float, margin: float
) -> None:
    box = (x * across - width / 2, y * down - height / 2, width, height)
    region = square_around(box, (across, down), margin=margin)
    assert 0 <= region.x <= region.x + region.width <= across
    assert 0 <= region.y <= region.y + region.height <= down
    side = max(1, round((width + height) / 2 * (1 + 2 * margin)))
    assert (region.width, region.height) == (min(side, across), min(side, down))
    assert region.x - 1 <= x * across <= region.x + region.width + 1
    assert region.y - 1 <= y * down <= region.y + region.height + 1


@given(sides, sides, st.integers(16, 300), places, places, places, places)
def test_boxes_of_a_region_come_back(
    across: int, down: int, canvas: int, x: float, y: float, width: float, height: float
) -> None:
    region = Region(
        int(x * (across - 1)),
        int(y * (down - 1)),
        1 + int(width * (across - 1 - int(x * (across - 1)))),
        1 + int(height * (down - 1 - int(y * (down - 1)))),
    )
    placement = place((across, down), canvas, region)
    box = np.array([[region.x, region.y, region.width, region.height]], np.float64)
    covered = [placement.left, placement.top, placement.width, placement.height]
    np.testing.assert_allclose(placement.to_canvas(box)[0], covered, atol=1e-9)
    assert max(placement.width, placement.height) == canvas
    other = np.array([[3.0, 5.0, 7.5, 1.25]])
    np.testing.assert_allclose(placement.to_original(placement.to_canvas(other)), other, atol=1e-6)


def test_what_is_cut_out_is_what_lies_there() -> None:
    pixels = np.zeros((300, 500), np.float32)
    pixels[120:130, 400:410] = 1.0
    region = square_around((390.0, 110.0, 40.0, 60.0), (500, 300))
    assert region == Region(385, 115, 50, 50)
    drawn, placement = fit(Radiograph(pixels, (500, 300), "test"), 200, region)
    rows, columns = np.nonzero(drawn > 127)
    # Four times as large: (400 - 385) * 4 = 60, (120 - 115) * 4 = 20.
    assert (columns.min(), columns.max() + 1) == (60, 100)
    assert (rows.min(), rows.max() + 1) == (20, 60)
    assert placement.to_canvas(np.array([[400.0, 120.0, 10.0, 10.0]])).tolist() == [
        [60.0, 20.0, 40.0, 40.0]
    ]
    whole, _ = fit(Radiograph(pixels, (500, 300), "test"), 200, Region(0, 0, 500, 300))
    assert (whole == fit(Radiograph(pixels, (500, 300), "test"), 200)[0]).all()


def test_a_map_comes_back_to_its_place_and_says_nothing_of_the_rest() -> None:
    region = Region(200, 60, 100, 100)
    placement = place((400, 300), 64, region)
    cells = np.full((8, 8), -4.0, np.float32)
    cells[2, 5] = 4.0  # its middle: 200 + 5.5 * 12.5, 60 + 2.5 * 12.5
    heat = heatmap(cells, placement)
    x, y = heat.peak
    assert abs(x - 268.75) < 3
    assert abs(y - 91.25) < 3
    seen = np.zeros((300, 400), np.bool_)
    seen[60:160, 200:300] = True
    assert (heat.probabilities[~seen] == 0.0).all()
    assert (heat.probabilities[seen] > 0.0).all()
    (found,) = regions(heat, 0.5)
    assert 255 < found.x < found.x + found.width < 283
    assert 77 < found.y < found.y + found.height < 105
    (held,) = regions(heat, 0.5, sides=(0.3, 1.0))  # 120 px, and only 100 are looked at
    assert (held.x, held.y, held.width, held.height) == (200.0, 60.0, 100.0, 100.0)
    there, elsewhere = (measure(heat, [box]) for box in ((262, 85, 12, 12), (10, 10, 30, 30)))
    assert there.peak_hit
    assert not elsewhere.peak_hit
    assert there.pixel_auroc == pytest.approx(1.0, abs=0.01)
    assert elsewhere.pixel_auroc is not None
    assert elsewhere.pixel_auroc < 0.5


def test_a_picture_frames_what_was_looked_at() -> None:
    film = np.zeros((300, 400), np.float32)
    heat = heatmap(
        np.full((2, 2), -9.0, np.float32), place((400, 300), 64, Region(200, 60, 80, 80))
    )
    drawn = np.asarray(overlay(film, heat))[:300, :500].max(axis=2)
    scale = 512 / 400
    rows, columns = np.nonzero(drawn[:, :512] > 100)
    assert abs(columns.min() - 200 * scale) <= 1
    assert abs(rows.min() - 60 * scale) <= 1


def test_boxes_are_seen_by_a_quarter() -> None:
    region = Region(10, 10, 20, 20)
    boxes = np.array(
        [[12, 12, 4, 4], [28, 12, 4, 4], [29, 12, 4, 4], [40, 40, 5, 5], [12, 12, 0, 4]]
    )
    assert region.sees(boxes).tolist() == [True, True, True, False, False]
    assert region.sees(np.array([[29.1, 12, 4, 4]])).tolist() == [False]
    assert region.cut(boxes)[1].tolist() == [28.0, 12.0, 2.0, 4.0]


def test_a_part_is_decoded_at_the_size_that_it_needs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8))
    path = tmp_path / "film.jpg"
    small.resize((1600, 1600), Image.Resampling.BICUBIC).save(path, quality=95)
    region = Region(400, 800, 200, 200)
    assert max(open_radiograph(path, at_least_px=50).pixels.shape) == 200
    film = open_region(path, 50, region)
    assert max(film.pixels.shape) == 800
    quick, _ = fit(film, 50, region)
    slow, _ = fit(open_radiograph(path), 50, region)
    assert np.abs(quick.astype(int) - slow).mean() < 2.0
    assert max(open_region(path, 50, None).pixels.shape) == 200
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        there = np.asarray(
            image.crop((400, 800, 600, 1000)).resize((50, 50), Image.Resampling.BICUBIC)
        )
    assert np.abs(slow.astype(int) - there).mean() < 2.0
