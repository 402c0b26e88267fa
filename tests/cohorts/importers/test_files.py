"""Find images by name."""

import os
from pathlib import Path

import pytest

from greenstick.cohorts.importers.files import files_in, images_in, is_image, locate, split_in, stem
from greenstick.errors import GreenstickError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "train/a.png", "test/a.png", "train/b.JPG", "deep/er/c.dcm", "1.2.840.5.dcm", "v.nii.gz",
        "notes.txt", ".DS_Store", "__MACOSX/train/._a.png", ".cache/d.png", "train/._a.png",
    ):  # fmt: skip
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "set"


def test_leftovers_are_passed_over(folder: Path) -> None:
    assert files_in(folder) == [
        "1.2.840.5.dcm", "deep/er/c.dcm", "notes.txt", "test/a.png", "train/a.png", "train/b.JPG",
        "v.nii.gz",
    ]  # fmt: skip
    assert "notes.txt" not in images_in(folder)


def test_links_are_followed_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "e.png").write_bytes(b"")
    (folder / "linked").symlink_to(tmp_path / "more")
    (folder / "deep" / "round").symlink_to(folder)
    assert "linked/e.png" in files_in(folder)
    assert len(files_in(folder)) == 8


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("train/a.png", "train/a.png"),
        ("./train/a.png", "train/a.png"),
        ("b.JPG", "train/b.JPG"),
        ("b.jpg", "train/b.JPG"),
        ("b", "train/b.JPG"),
        ("1.2.840.5", "1.2.840.5.dcm"),
        ("v", "v.nii.gz"),
        ("er/c.dcm", "deep/er/c.dcm"),
        ("C:\\data\\train\\a.png", "train/a.png"),
        ("/home/else/set/test/a.png", "test/a.png"),
        (" v.nii.gz ", "v.nii.gz"),
        ("b.png", None),
        ("z.png", None),
        ("z", None),
    ],
)
def test_found_by(folder: Path, name: str, image: str | None) -> None:
    assert locate([name], folder) == [image]


def test_absolute(folder: Path, tmp_path: Path) -> None:
    path = str(folder / "train" / "a.png")
    assert locate([path], folder / "test") == [path]
    assert locate([path], tmp_path) == ["set/train/a.png"], "one file goes by one name"
    assert locate(["test/../train//a.png"], folder) == ["train/a.png"]


def test_accents_in_either_spelling(folder: Path) -> None:
    (folder / "Schla\u0308ger.png").write_bytes(b"")  # as macOS writes it
    assert locate(["Schl\u00e4ger.png"], folder) == ["Schla\u0308ger.png"]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"sc\xe4n.txt")).write_bytes(b"")
    assert len(files_in(tmp_path)) == 1, "only images must be named in a cohort"
    (tmp_path / os.fsdecode(b"sc\xe4n.png")).write_bytes(b"")
    with pytest.raises(GreenstickError, match=r"sc.udce4n\.png is not in UTF-8"):
        files_in(tmp_path)


def test_a_folder_that_may_not_be_looked_into(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(GreenstickError, match="deep cannot be looked into"):
        files_in(folder)


def test_several_of_one_name(folder: Path) -> None:
    with pytest.raises(GreenstickError, match=r"'a.png' may be any of 2 files, e.g. test/a.png"):
        locate(["a.png"], folder)


def test_two_names_for_one_file(folder: Path) -> None:
    with pytest.raises(GreenstickError, match=r"both lead to train/b\.JPG"):
        locate(["x/b.jpg", "y/b.jpg"], folder)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="it is empty"):
        images_in(tmp_path)


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(GreenstickError, match="none of its 1 files is one") as error:
        images_in(tmp_path)
    assert ".dcm" in error.value.remedy


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="no folder"):
        images_in(tmp_path / "none")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/x/1.png", "train"),
        ("images/Val/1.png", "valid"),
        ("validation/1.png", "valid"),
        ("set_test/1.png", "test"),
        ("contest/1.png", None),
        ("train.png", None),
    ],
)
def test_split_by_folder(path: str, split: str | None) -> None:
    assert split_in(path) == split


def test_suffixes() -> None:
    assert is_image("a.NII.GZ")
    assert not is_image("a.gz")
    assert stem("x/a.nii.gz") == "a"
    assert stem("1.2.3") == "1.2.3"
