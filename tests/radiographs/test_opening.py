import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.radiographs.opening import open_radiograph

Film = NDArray[np.uint8]


def save_all(film: Film, folder: Path, write_dicom: Callable[..., Path]) -> dict[str, Path]:
    """Write one picture in every format, without loss."""
    picture = Image.fromarray(film)
    paths = {name: folder / name for name in ("film.png", "film.tif", "packed.tif", "film.nii")}
    picture.save(paths["film.png"])
    picture.save(paths["film.tif"])
    picture.save(paths["packed.tif"], compression="tiff_lzw")
    nibabel.save(nibabel.Nifti1Image(film.T, np.eye(4)), paths["film.nii"])
    return paths | {"film.dcm": write_dicom(film, WindowCenter="127.5", WindowWidth="256")}


def test_all_formats_give_the_same_pixels(
    film: Film, tmp_path: Path, write_dicom: Callable[..., Path]
) -> None:
    for path in save_all(film, tmp_path, write_dicom).values():
        radiograph = open_radiograph(path)
        assert radiograph.pixels.dtype == np.float32
        assert radiograph.original_size_px == (64, 96)
        np.testing.assert_allclose(radiograph.pixels, film / 255.0, atol=2e-3, err_msg=path.name)
        assert not radiograph.pixels.flags.writeable


def test_the_content_tells_the_format_whatever_the_name(film: Film, tmp_path: Path) -> None:
    Image.fromarray(film).save(tmp_path / "film.png")
    (tmp_path / "film.png").rename(tmp_path / "film.dcm")
    assert open_radiograph(tmp_path / "film.dcm").decoder == "pillow"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"GIF89a" + bytes(400), "a GIF picture"),
        (b"%PDF-1.4" + bytes(400), "a PDF document"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (bytes(400), "of an unknown format"),
        (b"image,label\n", "of an unknown format"),
    ],
)
def test_strangers_are_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(content)
    with pytest.raises(GreenstickError, match=said):
        open_radiograph(path)


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="There is no file"):
        open_radiograph(tmp_path / "none.png")
    with pytest.raises(GreenstickError, match="is a folder"):
        open_radiograph(tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(GreenstickError, match=r"cannot be opened \(File name too long\)|no file"):
        open_radiograph(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(GreenstickError, match="Permission denied"):
        open_radiograph(path)


def test_a_cut_file_is_refused_or_whole(
    film: Film, tmp_path: Path, write_dicom: Callable[..., Path]
) -> None:
    for name, path in save_all(film, tmp_path, write_dicom).items():
        content, whole = path.read_bytes(), open_radiograph(path).pixels
        for share in (0.0, 0.1, 0.3, 0.6, 0.9, 0.97):
            path.write_bytes(content[: int(len(content) * share)])
            assert same_or_refused(path, whole), (name, share)


def test_a_damaged_file_never_raises_anything_else(
    film: Film, tmp_path: Path, write_dicom: Callable[..., Path]
) -> None:
    dice = random.Random(3)
    for path in save_all(film, tmp_path, write_dicom).values():
        content = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(content)
            for _ in range(3):
                damaged[dice.randrange(min(len(content), 700))] = dice.randrange(256)
            path.write_bytes(damaged)
            outcome = same_or_refused(path, None)
            assert outcome in (True, False)


def same_or_refused(path: Path, whole: NDArray[Any] | None) -> bool:
    try:
        pixels = open_radiograph(path).pixels
    except GreenstickError as error:
        return bool(error.message and error.remedy)
    return whole is None or bool(np.array_equal(pixels, whole))


def test_the_59_cut_files_of_fracatlas_are_refused(fracatlas: Path) -> None:
    files = sorted(fracatlas.glob("images/IMG0004[0-3]*.jpg"))  # all of them are among these
    cut = [path for path in files if not opens(path)]
    assert len(cut) == 59
    with pytest.raises(GreenstickError, match="does not decode to its last row"):
        open_radiograph(cut[0])


def opens(path: Path) -> bool:
    try:
        return not open_radiograph(path, at_least_px=64).is_color
    except GreenstickError:
        return False


def test_boxes_of_fracatlas_are_in_the_frame_that_a_viewer_shows(fracatlas: Path) -> None:
    # IMG0002628 is stored lying on its side, and boxes.coco.json gives the size as stored; but its
    # box was drawn on what a browser shows, where it frames the neck of the humerus.
    assert open_radiograph(fracatlas / "images/IMG0002628.jpg").original_size_px == (454, 373)
