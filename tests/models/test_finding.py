"""A detector over canvases, its mirror and its tiles, with networks whose answer is known."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from greenstick.models.cells import STRIDES, mean_with_mirror, mirrored_cells
from greenstick.models.finding import Manner, Said, find_on, on_original
from greenstick.models.merging import Merged
from greenstick.models.tiles import OVERLAP, tile_corners
from greenstick.radiographs.canvas import place


def squares(images: NDArray[np.float32]) -> Said:
    """Say the box of each bright patch, surer the brighter; one class a level of gray."""
    boxes, logits = np.zeros((len(images), 40, 4)), np.full((len(images), 40, 2), -20.0)
    for n, image in enumerate(images[:, 0]):
        labels, _ = ndimage.label(image > 0.2)
        for k, (rows, columns) in enumerate(ndimage.find_objects(labels)):
            boxes[n, k] = columns.start, rows.start, columns.stop, rows.stop
            level = float(image[rows, columns].max())
            logits[n, k, int(level > 0.6)] = 4 * level
    return Said(boxes, logits)


def draw(*patches: tuple[int, int, int, int], size: int = 256) -> NDArray[np.uint8]:
    canvas = np.zeros((1, size, size), np.uint8)
    for number, (left, top, right, bottom) in enumerate(patches):
        canvas[0, top:bottom, left:right] = 100 + 70 * (number % 2)
    return canvas


@pytest.mark.parametrize(
    ("size", "tile"), [(256, 96), (256, 256), (200, 96), (64, 96), (2048, 640)]
)
def test_tiles_cover_the_canvas_and_overlap(size: int, tile: int) -> None:
    corners = tile_corners(size, tile)
    side = min(tile, size)
    covered = np.zeros((size, size), np.bool_)
    for left, top in corners:
        assert 0 <= left <= size - side
        covered[top : top + side, left : left + side] = True
    assert covered.all()
    lefts = sorted({left for left, _ in corners})
    assert all(b - a <= tile * (1 - OVERLAP) + 1 for a, b in pairwise(lefts))


def test_what_lies_on_a_seam_is_found_once_and_whole() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        # Patches of at most the overlap, anywhere: some are cut by one seam, some by two.
        cells = rng.permutation(16)[:5]
        wanted = []
        for cell in cells:
            x, y = 64 * (cell % 4) + rng.integers(2, 36), 64 * (cell // 4) + rng.integers(2, 36)
            width, height = rng.integers(6, 24, 2)
            wanted.append((x, y, x + width, y + height))
        canvas = draw(*wanted)
        (whole,) = find_on(canvas, squares, Manner()).merged
        (tiled,) = find_on(canvas, squares, Manner(tile_px=96)).merged
        assert sorted(map(tuple, tiled.corners)) == sorted(wanted)
        assert sorted(map(tuple, tiled.corners)) == sorted(map(tuple, whole.corners))
        assert (np.diff(tiled.scores) <= 0).all()


def test_what_is_larger_than_the_overlap_stays_in_parts() -> None:
    (tiled,) = find_on(draw((10, 120, 250, 130)), squares, Manner(tile_px=96)).merged
    assert tiled.corners[:, 0].min() == 10
    assert tiled.corners[:, 2].max() == 250


def test_classes_share_a_place_unless_told_otherwise() -> None:
    def both(images: NDArray[np.float32]) -> Said:
        boxes = np.array([[[8.0, 8, 40, 40], [9.0, 8, 41, 40]]]).repeat(len(images), 0)
        return Said(boxes, np.array([[[2.0, -9.0], [-9.0, 1.0]]]).repeat(len(images), 0))

    canvas = draw()
    assert find_on(canvas, both, Manner()).merged[0].classes.tolist() == [0, 1]
    assert find_on(canvas, both, Manner(across=True)).merged[0].classes.tolist() == [0]


def test_an_image_looks_as_its_tiles_do_on_average() -> None:
    def brightness(images: NDArray[np.float32]) -> Said:
        return squares(images)._replace(look=images.mean(axis=(2, 3)))

    canvas = draw((0, 0, 30, 20))
    tiles = [canvas[0, y : y + 96, x : x + 96] / 255 for x, y in tile_corners(256, 96)]
    found = find_on(canvas, brightness, Manner(tile_px=96))
    assert found.looks == pytest.approx(np.array([[np.mean(tiles)]]))
    assert find_on(canvas, squares, Manner(tile_px=96)).looks is None


def test_a_mirror_s_cells_lie_where_they_lay() -> None:
    size = 64
    x = np.concatenate([np.tile((np.arange(size // s) + 0.5) * s, size // s) for s in STRIDES])
    np.testing.assert_allclose(size - x[mirrored_cells(size)], x)
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 30, (2, len(x), 2))
    boxes = np.concatenate([low, low + 9], axis=-1)
    logits = rng.normal(size=(2, len(x), 3))
    order = mirrored_cells(size)
    turned = np.stack(
        [size - boxes[..., 2], boxes[..., 1], size - boxes[..., 0], boxes[..., 3]], axis=-1
    )[:, order]
    same = mean_with_mirror(boxes, logits, turned, logits[:, order], size)
    np.testing.assert_allclose(same[0], boxes)
    np.testing.assert_allclose(same[1], logits)


def test_boxes_reach_the_original_and_are_cut_at_its_edges() -> None:
    found = Merged(
        np.array([[0.0, 40, 64, 80], [10.0, 0, 20, 10], [-9.0, 30, 64, 70]]),
        np.array([0.9, 0.8, 0.7]),
        np.zeros(3, np.int64),
    )
    mapped = on_original(found, place((400, 200), 128))  # 32 rows of padding above and below
    np.testing.assert_allclose(mapped.corners, [[0, 25, 200, 150], [0, 0, 200, 118.75]])
    assert mapped.scores.tolist() == [0.9, 0.7]
