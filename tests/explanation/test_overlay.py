import numpy as np
import pytest
from numpy.typing import NDArray

from greenstick.explanation.activation_maps import Heatmap, heatmap
from greenstick.explanation.overlay import colorize, overlay
from greenstick.radiographs.canvas import place

BLUE = (88, 196, 255)


def heat_of(logit: float, size: tuple[int, int] = (600, 800)) -> Heatmap:
    return heatmap(np.full((8, 8), logit, np.float32), place(size, 128))


def film(height: int = 800, width: int = 600) -> NDArray[np.float32]:
    return np.tile(np.linspace(0.1, 0.9, width, dtype=np.float32), (height, 1))


def test_an_unlikely_fracture_leaves_the_film_gray() -> None:
    picture = np.asarray(overlay(film(), heat_of(-4.0), score=0.02))[:800, :600].astype(int)
    expected = np.rint(film() * 255)
    assert np.abs(picture - expected[..., None]).max() <= 2


def test_heat_grows_with_probability_and_the_film_shows_through() -> None:
    plain = np.asarray(overlay(film(), None))[:800, :600].astype(int)
    heats = [heat_of(logit) for logit in (-4.0, -1.0, 0.0, 1.0, 4.0)]
    pictures = [np.asarray(overlay(film(), heat))[:800, :600].astype(int) for heat in heats]
    changes = [float(np.abs(picture - plain).mean()) for picture in pictures]
    assert changes == sorted(changes)
    surest = pictures[-1][400]
    assert surest[590].sum() > surest[10].sum() + 150


def test_the_scale_is_the_same_for_all_images() -> None:
    cells = np.full((8, 8), -6.0, np.float32)
    cells[2, 2] = 2.0
    alone = heatmap(cells, place((600, 800), 128))
    cells = cells.copy()
    cells[6, 6] = 9.0
    beside_hotter = heatmap(cells, place((600, 800), 128))
    top_left = (slice(0, 350), slice(0, 280))
    np.testing.assert_array_equal(
        np.asarray(overlay(film(), alone))[top_left],
        np.asarray(overlay(film(), beside_hotter))[top_left],
    )


def test_colors_rise_in_lightness() -> None:
    colors = colorize(np.linspace(0, 1, 64)).astype(float)
    luminance = colors @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 0).all()
    assert colorize([-1.0, 2.0]).tolist() == [list(colorize(0.0)), list(colorize(1.0))]


@pytest.mark.parametrize("reduced", [1, 2])
def test_boxes_are_outlined_in_original_pixels(reduced: int) -> None:
    pixels = film()[::reduced, ::reduced]
    picture = np.asarray(overlay(pixels, heat_of(-6.0), boxes=[(100, 200, 80, 40)]))
    shown = picture[: picture.shape[0] - 26]
    scale = 1.0 if reduced == 1 else 512 / 800
    rows, columns = np.nonzero((shown == BLUE).all(axis=2))
    assert columns.min() == pytest.approx(100 * scale - 2, abs=1.5)
    assert columns.max() == pytest.approx(180 * scale + 2, abs=1.5)
    assert rows.min() == pytest.approx(200 * scale - 2, abs=1.5)
    assert rows.max() == pytest.approx(240 * scale + 2, abs=1.5)


@pytest.mark.parametrize("size", [(20, 30), (64, 2000), (2000, 64), (3000, 2400)])
def test_every_size_has_room_for_score_and_notice(size: tuple[int, int]) -> None:
    height, width = size
    heat = heatmap(np.zeros((4, 4), np.float32), place((width, height), 128))
    sheet = overlay(film(height, width), heat, score=0.5, caption="no fracture", threshold=0.4)
    assert sheet.mode == "RGB"
    assert sheet.width > 148
    assert max(sheet.width - 148, sheet.height - 26) in (512, 1024)
    footer = np.asarray(sheet)[-24:]
    assert footer.max() > 200  # the notice is written there


def test_score_and_words_are_beside_the_film_not_on_it() -> None:
    plain = np.asarray(overlay(film(), heat_of(-6.0)))
    full = np.asarray(overlay(film(), heat_of(-6.0), score=0.873, caption="a", threshold=0.3))
    np.testing.assert_array_equal(plain[:800, :600], full[:800, :600])
    assert (plain[:, 600:] != full[:, 600:]).any()


def test_without_heat_the_radiograph_is_drawn_alone() -> None:
    picture = np.asarray(overlay(film(), None, caption="not read"))
    assert np.ptp(picture[:800, :600].astype(int), axis=2).max() == 0
