from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from greenstick.errors import GreenstickError
from greenstick.radiographs import raster
from greenstick.radiographs.raster import open_raster

Film = NDArray[np.uint8]


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_gives_the_same_gray(mode: str, film: Film, tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    Image.fromarray(film).convert(mode).save(path)
    radiograph = open_raster(path)
    np.testing.assert_allclose(radiograph.pixels, film / 255.0, atol=1e-6)
    assert not radiograph.is_color


def test_one_bit_pictures_are_black_and_white(film: Film, tmp_path: Path) -> None:
    Image.fromarray(film > 120).save(tmp_path / "film.png")
    np.testing.assert_array_equal(open_raster(tmp_path / "film.png").pixels, film > 120)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_sixteen_bit_files_are_scaled_by_the_bits_they_use(
    suffix: str, bits: int, film: Film, tmp_path: Path
) -> None:
    stored = film.astype(np.uint16) << (bits - 8)
    Image.fromarray(stored).save(tmp_path / f"film.{suffix}")
    pixels = open_raster(tmp_path / f"film.{suffix}").pixels
    np.testing.assert_allclose(pixels, stored / (2**bits - 1), atol=1e-6)


def test_min_is_white_is_inverted(film: Film, tmp_path: Path) -> None:
    wide = film.astype(np.uint16) * 257
    Image.fromarray(wide).save(tmp_path / "wide.tif", tiffinfo={262: 0})
    Image.fromarray(film).save(tmp_path / "film.tif", tiffinfo={262: 0})  # stored as its negative
    np.testing.assert_allclose(
        open_raster(tmp_path / "wide.tif").pixels, 1.0 - film / 255.0, atol=1e-6
    )
    np.testing.assert_allclose(open_raster(tmp_path / "film.tif").pixels, film / 255.0, atol=1e-6)


def test_exif_orientation_is_applied(film: Film, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored first row is the shown right edge
    Image.fromarray(film).save(tmp_path / "film.png", exif=exif)
    radiograph = open_raster(tmp_path / "film.png")
    assert radiograph.original_size_px == (96, 64)
    np.testing.assert_allclose(radiograph.pixels, np.rot90(film, -1) / 255.0, atol=1e-6)


def test_what_is_transparent_is_black(film: Film, tmp_path: Path) -> None:
    alpha = np.where(np.arange(64) < 32, 0, 255).astype(np.uint8)[None].repeat(96, axis=0)
    Image.merge("LA", (Image.fromarray(film), Image.fromarray(alpha))).save(tmp_path / "film.png")
    pixels = open_raster(tmp_path / "film.png").pixels
    assert not pixels[:, :32].any()
    np.testing.assert_allclose(pixels[:, 32:], film[:, 32:] / 255.0, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "wanted", "got"),
    [(1024, 320, 512), (1024, 321, 1024), (1024, 160, 256), (1024, 80, 128), (1000, 300, 500)],
)
def test_jpeg_is_decoded_no_smaller_than_needed(
    side: int, wanted: int, got: int, tmp_path: Path
) -> None:
    Image.new("L", (side, side // 2), 90).save(tmp_path / "film.jpg")
    radiograph = open_raster(tmp_path / "film.jpg", wanted)
    assert radiograph.pixels.shape == (got // 2, got)
    assert radiograph.original_size_px == (side, side // 2)


def test_a_reduced_jpeg_shows_the_same_picture(fracatlas: Path) -> None:
    path = fracatlas / "images" / "IMG0000001.jpg"
    whole, half = open_raster(path).pixels, open_raster(path, 320).pixels
    small = Image.fromarray(whole).resize(half.shape[::-1], Image.Resampling.BOX)
    assert half.shape == (512, 421)
    assert np.abs(np.asarray(small) - half).mean() < 0.004


def test_a_gray_film_saved_as_color_jpeg_is_gray(film: Film, tmp_path: Path) -> None:
    Image.fromarray(film).convert("RGB").save(tmp_path / "film.jpg", quality=40)
    assert not open_raster(tmp_path / "film.jpg").is_color


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_photograph_is_colored(suffix: str, film: Film, tmp_path: Path) -> None:
    skin = np.stack([film, film * 0.75, film * 0.6], axis=2).astype(np.uint8)
    Image.fromarray(skin).save(tmp_path / f"skin.{suffix}")
    assert open_raster(tmp_path / f"skin.{suffix}").is_color


def test_a_colored_mark_does_not_make_a_photograph(film: Film, tmp_path: Path) -> None:
    marked = np.stack([film] * 3, axis=2)
    marked[4:12, 4:24] = (255, 0, 0)
    Image.fromarray(marked).save(tmp_path / "film.png")
    assert not open_raster(tmp_path / "film.png").is_color


def test_a_cut_jpeg_is_refused_even_where_an_end_mark_was_put(
    fracatlas: Path, tmp_path: Path
) -> None:
    content = (fracatlas / "images" / "IMG0000001.jpg").read_bytes()
    path = tmp_path / "film.jpg"
    for tail in (b"", b"\xff\xd9"):
        path.write_bytes(content[: len(content) // 2] + tail)
        for wanted in (None, 256):
            with pytest.raises(GreenstickError, match="does not decode to its last row"):
                open_raster(path, wanted)


def test_a_cut_jpeg_is_refused_though_pillow_was_told_to_be_lenient(
    fracatlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (fracatlas / "images" / "IMG0000001.jpg").read_bytes()
    (tmp_path / "film.jpg").write_bytes(content[: len(content) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(GreenstickError, match="does not decode to its last row"):
        open_raster(tmp_path / "film.jpg")
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def textured_jpeg(path: Path) -> bytes:
    """Write a film with grain, as real ones have it; return its bytes."""
    rows, columns = np.mgrid[0:241, 0:203]
    grain = np.random.default_rng(0).normal(0, 6, rows.shape)
    values = 90 + 60 * np.sin(rows / 19) * np.cos(columns / 23) + grain
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(path, "JPEG", quality=88)
    return path.read_bytes()


@pytest.mark.parametrize("wanted", [None, 48])
def test_a_jpeg_that_lacks_a_run_of_its_bytes_is_refused(
    wanted: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "film.jpg"
    content = textured_jpeg(path)
    open_raster(path, wanted)
    for share in (0.2, 0.5, 0.8):
        start = int(share * len(content))
        path.write_bytes(content[:start] + content[start + 300 :])
        with pytest.raises(GreenstickError, match="does not decode to its last row"):
            open_raster(path, wanted)
    for lost in (40, 400):  # within the last rows of blocks, and closed again
        path.write_bytes(content[:-lost] + b"\xff\xd9")
        with pytest.raises(GreenstickError, match="does not decode to its last row"):
            open_raster(path, wanted)


def test_what_stands_around_a_jpegs_picture_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    content = textured_jpeg(path)
    expected = open_raster(path).pixels
    thumbnail = b"\xff\xe1" + (len(content) // 8 + 2).to_bytes(2, "big")
    thumbnail += content[: len(content) // 8 - 2] + b"\xff\xd9"
    for odd in (
        content[:2] + thumbnail + content[2:],
        content[:-2] + b"\xff" * 20 + b"\xff\xd9",
        content + b"\0" * 33,
        content + content,
    ):
        path.write_bytes(odd)
        np.testing.assert_array_equal(open_raster(path).pixels, expected)


def test_a_whole_mid_gray_jpeg_is_not_taken_for_a_cut_one(tmp_path: Path) -> None:
    Image.new("L", (80, 80), 128).save(tmp_path / "film.jpg")
    assert open_raster(tmp_path / "film.jpg").pixels.max() == np.float32(128 / 255)


def test_several_pages_are_refused_but_a_thumbnail_is_none(film: Film, tmp_path: Path) -> None:
    page, path = Image.fromarray(film), tmp_path / "film.tif"
    page.save(path, save_all=True, append_images=[page, page])
    with pytest.raises(GreenstickError, match="holds 3 pictures"):
        open_raster(path)
    thumbnail = page.resize((16, 24))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    page.save(path, save_all=True, append_images=[thumbnail])
    np.testing.assert_allclose(open_raster(path).pixels, film / 255.0, atol=1e-6)


def test_too_many_pixels_are_refused_before_decoding(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(film).save(tmp_path / "film.png")
    monkeypatch.setattr(raster, "MAX_PIXELS", 1000)
    with pytest.raises(GreenstickError, match="million pixels"):
        open_raster(tmp_path / "film.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(GreenstickError, match="million pixels"):
        open_raster(tmp_path / "film.png")
