import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.radiographs import nifti
from greenstick.radiographs.nifti import open_nifti

Film = NDArray[np.uint8]


def save(values: NDArray[Any], path: Path, *, unit: str = "mm", kind: Any = None) -> Path:
    image = (kind or nibabel.Nifti1Image)(values, np.diag([0.2, 0.3, 1.0, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["film.nii", "film.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("extra", [(), (1,), (1, 1)])
def test_the_first_axis_runs_along_a_row(
    name: str, kind: type, extra: tuple[int, ...], film: Film, tmp_path: Path
) -> None:
    values = film.T.reshape(film.T.shape + extra)
    radiograph = open_nifti(save(values, tmp_path / name, kind=kind))
    np.testing.assert_allclose(radiograph.pixels, film / 255.0, atol=1e-6)
    assert radiograph.original_size_px == (64, 96)
    assert radiograph.spacing_mm == pytest.approx((0.3, 0.2))


def test_signed_values_are_stretched(film: Film, tmp_path: Path) -> None:
    pixels = open_nifti(save(film.T.astype(np.int16) - 1000, tmp_path / "film.nii")).pixels
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)
    assert np.corrcoef(pixels.ravel(), film.ravel())[0, 1] == pytest.approx(1.0)


def test_spacing_without_a_unit_of_length_is_none(film: Film, tmp_path: Path) -> None:
    assert open_nifti(save(film.T, tmp_path / "film.nii", unit="unknown")).spacing_mm is None


@pytest.mark.parametrize("shape", [(8, 9, 10), (8,), (1, 8, 9)])
def test_volumes_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = save(np.zeros(shape, np.uint8), tmp_path / "volume.nii")
    with pytest.raises(GreenstickError, match="volume of shape"):
        open_nifti(path)


def test_color_is_refused(tmp_path: Path) -> None:
    color = np.zeros((8, 9), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(GreenstickError, match="color"):
        open_nifti(save(color, tmp_path / "film.nii"))


def test_an_archive_that_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"image,label\n" * 50))
    with pytest.raises(GreenstickError, match="gzip archive"):
        open_nifti(path)


def test_size_is_limited(film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(film.T, tmp_path / "film.nii.gz")
    monkeypatch.setattr(nifti, "MAX_PIXELS", 2000)
    with pytest.raises(GreenstickError, match="million pixels"):
        open_nifti(path)
    monkeypatch.setattr(nifti, "MAX_PIXELS", 100)
    with pytest.raises(GreenstickError, match="unpacks to more"):
        open_nifti(path)


def test_a_gzip_bomb_is_left_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((1000, 800), np.float32), np.eye(4)), path)
    open_nifti(path)
    monkeypatch.setattr(nifti, "MAX_PIXELS", 100_000)
    with pytest.raises(GreenstickError, match="unpacks to more than"):
        open_nifti(path)
