import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from greenstick.cohorts.likeness import compare

FAR = np.full(1, 60)
CLOSE = np.full(1, 20)


def drawn(seed: int, side: int = 400) -> Image.Image:
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = gaussian_filter(noise, 12) + 2 * gaussian_filter(noise, 40)
    return Image.fromarray(np.uint8(np.clip(128 + smooth / smooth.std() * 45, 0, 255)))


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.resize((64, 64), Image.Resampling.BOX))[None]


def darkened(image: Image.Image) -> Image.Image:
    return image.point([int(0.6 * level + 10) for level in range(256)])


def cropped(image: Image.Image) -> Image.Image:
    return image.crop((12, 6, 390, 396))


def marked(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).copy()
    pixels[20:70, 300:380] = 255
    return Image.fromarray(pixels)


def covered(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).copy()
    pixels[300:] = 0
    return Image.fromarray(pixels)


def rotated(image: Image.Image) -> Image.Image:
    return image.rotate(2, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("change", [darkened, cropped, marked, covered, rotated])
def test_a_copy_counts_as_one(change: object) -> None:
    assert callable(change)
    original = drawn(0)
    assert compare(thumbnail(original), thumbnail(change(original))).copies(FAR).all()


@pytest.mark.parametrize("seed", range(1, 6))
def test_another_picture_does_not(seed: int) -> None:
    likeness = compare(thumbnail(drawn(0)), thumbnail(drawn(seed)))
    assert not likeness.copies(FAR).any()
    assert not likeness.copies(CLOSE).any()


def test_identical_pictures_agree_everywhere() -> None:
    likeness = compare(thumbnail(drawn(3)), thumbnail(drawn(3)))
    np.testing.assert_allclose(likeness.loose, 1.0, atol=1e-4)
    np.testing.assert_allclose(likeness.strict, 1.0, atol=1e-4)
    np.testing.assert_allclose(likeness.comparable, 1.0, atol=1e-4)


def test_pairs_are_judged_one_by_one_whatever_the_batch() -> None:
    ten = np.concatenate([thumbnail(drawn(k, side=200)) for k in range(10)])
    one, other = np.tile(ten, (14, 1, 1)), np.tile(np.roll(ten, 1, axis=0), (14, 1, 1))
    other[::3] = one[::3]
    judged = compare(one, other).copies(np.full(140, 60))
    np.testing.assert_array_equal(np.flatnonzero(judged), np.arange(0, 140, 3))


def test_no_pairs() -> None:
    nothing = np.zeros((0, 64, 64), dtype=np.uint8)
    assert len(compare(nothing, nothing).loose) == 0


def test_blank_pictures_do_not_agree() -> None:
    blank = np.full((1, 64, 64), 40, dtype=np.uint8)
    assert not compare(blank, blank).copies(FAR).any()
