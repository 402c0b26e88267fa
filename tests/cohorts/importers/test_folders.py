"""A folder a class."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.errors import GreenstickError

MakeImages = Callable[..., list[Path]]


def test_plain(images: MakeImages, tmp_path: Path) -> None:
    images("Fractured/1.png", "Fractured/2.png", "Non_fractured/1.png")
    cohort = import_cohort(tmp_path, import_settings())
    assert cohort.table.select("image", "label").rows() == [
        ("Fractured/1.png", 1),
        ("Fractured/2.png", 1),
        ("Non_fractured/1.png", 0),
    ]
    assert all(path.is_file() for path in cohort.paths())
    assert cohort.table["split"].null_count() == 3
    assert cohort.table["boxes"].null_count() == 3
    assert cohort.notes == ()


def test_splits_by_folder(images: MakeImages, tmp_path: Path) -> None:
    images("train/fractured/1.png", "val/not fractured/1.png", "test/fractured/1.png")
    table = import_cohort(tmp_path, import_settings()).table.sort("image")
    assert table["split"].to_list() == ["test", "train", "valid"]
    assert table["label"].to_list() == [1, 1, 0]


def test_splits_inside_classes(images: MakeImages, tmp_path: Path) -> None:
    images("fractured/train/1.png", "normal/train/2.png")
    table = import_cohort(tmp_path, import_settings()).table
    assert table.select("label", "split").rows() == [(1, "train"), (0, "train")]


def test_types_of_fracture(images: MakeImages, tmp_path: Path) -> None:
    images("spiral/1.png", "normal/1.png", "fractured/2.png", "fractured/oblique/3.png")
    cohort = import_cohort(tmp_path, import_settings(positive=["spiral", "oblique"]))
    rows = cohort.table.select("image", "label", "fracture_type").rows()
    assert rows == [
        ("fractured/2.png", 1, None),
        ("fractured/oblique/3.png", 1, "oblique"),
        ("normal/1.png", 0, None),
        ("spiral/1.png", 1, "spiral"),
    ]


def test_as_mura_has_it(images: MakeImages, tmp_path: Path) -> None:
    images(
        "train/XR_WRIST/patient00001/study1_positive/image1.png",
        "train/XR_WRIST/patient00001/study1_positive/image2.png",
        "valid/XR_HAND/patient00002/study1_negative/image1.png",
    )
    settings = import_settings(
        positive=["*_positive"],
        negative=["*_negative"],
        patient_pattern=r"(patient\d+)",
        columns={"body_part": "LOWER(SPLIT_PART(SPLIT_PART(image, '/', 2), '_', 2))"},
    )
    table = import_cohort(tmp_path, settings).table
    assert table["label"].to_list() == [1, 1, 0]
    assert table["patient"].to_list() == ["patient00001", "patient00001", "patient00002"]
    assert table["split"].to_list() == ["train", "train", "valid"]
    assert table["body_part"].to_list() == ["wrist", "wrist", "hand"]


def test_one_class_is_noted(images: MakeImages, tmp_path: Path) -> None:
    images("fractured/1.png")
    cohort = import_cohort(tmp_path, import_settings())
    assert "All images are with a fracture" in cohort.notes[0]


def test_unknown_folders_are_named(images: MakeImages, tmp_path: Path) -> None:
    images("wrist/1.png", "normal/1.png")
    with pytest.raises(GreenstickError, match=r"wrist \(found: normal, wrist\)"):
        import_cohort(tmp_path, import_settings())


def test_images_in_no_folder(images: MakeImages, tmp_path: Path) -> None:
    images("1.png", "train/2.png", "fractured/3.png")
    with pytest.raises(GreenstickError, match=r"2 images lie in no class folder, first 1\.png"):
        import_cohort(tmp_path, import_settings())


def test_all_others_are_told_by_the_outermost_folder(images: MakeImages, tmp_path: Path) -> None:
    images("fracture/p7/1.png", "arthrosis/p8/1.png")
    table = import_cohort(tmp_path, import_settings(negative=["*"])).table
    assert table.select("image", "label").rows() == [
        ("arthrosis/p8/1.png", 0),
        ("fracture/p7/1.png", 1),
    ]


def test_folders_that_contradict_each_other(images: MakeImages, tmp_path: Path) -> None:
    # A data set's own name is no class: every normal film would be taken for a fracture.
    images("Bone Fracture/normal/1.png", "Bone Fracture/fractured/2.png")
    with pytest.raises(GreenstickError, match="In Bone Fracture/normal, one folder means"):
        import_cohort(tmp_path, import_settings())


def test_a_column_of_patients_is_not_passed_over(images: MakeImages, tmp_path: Path) -> None:
    images("fractured/1.png", "normal/2.png")
    with pytest.raises(GreenstickError, match="imported as folders: there is no column 'pid'"):
        import_cohort(tmp_path, import_settings(patient_column="pid"))


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="it is empty"):
        import_cohort(tmp_path, import_settings())


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="There is no "):
        import_cohort(tmp_path / "none", import_settings())
