"""YOLO folders in the layouts people use."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.errors import GreenstickError

MakeImages = Callable[..., list[Path]]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


NAMES = "names: [fracture, metal]\n"


@pytest.mark.parametrize(
    ("image", "label", "yaml"),
    [
        ("images/train/{}.png", "labels/train/{}.txt", "train: images/train\n"),
        ("train/images/{}.png", "train/labels/{}.txt", "train: ../train/images\n"),
        ("train/images/{}.png", "train/labels/{}.txt", "train: /home/else/set/train/images\n"),
        ("train/images/{}.png", "train/labels/{}.txt", "path: /else\ntrain: train/images\n"),
        ("train/images/{}.png", "train/labels/{}.txt", ""),
        ("train/{}.png", "train/{}.txt", "train: train\n"),
        ("set/train/images/{}.png", "set/train/labels/{}.txt", "path: set\ntrain: train/images\n"),
    ],
)
def test_layouts(images: MakeImages, tmp_path: Path, image: str, label: str, yaml: str) -> None:
    images(image.format(1), image.format(2))  # 200 x 100 pixels
    write(tmp_path / label.format(1), "0 0.5 0.5 0.1 0.2\n1 0.1 0.1 0.1 0.1\n")
    write(tmp_path / label.format(2), "")
    write(tmp_path / "data.yaml", NAMES + yaml)
    cohort = import_cohort(tmp_path, import_settings(format="yolo", negative=["metal"]))
    row, other = cohort.table.rows(named=True)
    assert cohort.paths()[0] == tmp_path / image.format(1)
    assert (row["label"], other["label"]) == (1, 0)
    (box,) = row["boxes"]
    assert [box[k] for k in ("x", "y", "width", "height")] == pytest.approx([90, 40, 20, 20])
    assert box["class"] == "fracture"
    assert other["boxes"] == []
    assert row["split"] == other["split"] == "train"
    assert row["other_objects"] == "metal"


def test_told_without_being_named(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png", "images/2.png")
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "labels/2.txt", "")
    write(tmp_path / "labels/classes.txt", "fracture\n")
    table = import_cohort(tmp_path, import_settings()).table
    assert table["label"].to_list() == [1, 0]


def test_data_file_itself(images: MakeImages, tmp_path: Path) -> None:
    images("images/train/1.png", "images/val/1.png", "images/test/1.png", "images/unused/1.png")
    for part in ("train", "val", "test", "unused"):
        write(tmp_path / f"labels/{part}/1.txt", "0 0.5 0.5 0.1 0.2")
    yaml = "names:\n  0: fracture\ntrain: images/train\nval: [images/val]\ntest: images/test\n"
    path = write(tmp_path / "data.yaml", yaml)
    table = import_cohort(path, import_settings()).table
    assert table.select("image", "split").rows() == [
        ("images/test/1.png", "test"),
        ("images/train/1.png", "train"),
        ("images/val/1.png", "valid"),
    ]


def test_lists_of_images(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png", "images/2.png", "images/3.png")
    for n in (1, 2, 3):
        write(tmp_path / f"labels/{n}.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "train.txt", "./images/1.png\n")
    write(tmp_path / "val.txt", "/home/else/set/images/2.png\n")
    path = write(tmp_path / "data.yaml", NAMES + "train: train.txt\nval: val.txt\n")
    table = import_cohort(path, import_settings()).table
    assert table.select("image", "split").rows() == [
        ("images/1.png", "train"),
        ("images/2.png", "valid"),
    ]


def test_labels_and_images_apart(images: MakeImages, tmp_path: Path) -> None:
    images("images/Fractured/1.png", "images/Whole/2.png")
    write(tmp_path / "annotations/YOLO/1.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "annotations/YOLO/classes.txt", "fracture\n")
    settings = import_settings(
        format="yolo", images=tmp_path / "images", unlisted_are_negative=True
    )
    table = import_cohort(tmp_path / "annotations/YOLO", settings).table
    assert table.select("image", "label").rows() == [("Fractured/1.png", 1), ("Whole/2.png", 0)]


def test_polygons_and_sureness(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    write(
        tmp_path / "labels/1.txt",
        "0 0.1 0.2 0.3 0.2 0.2 0.6\n0 0.5 0.5 0.1 0.2 0.93\n\n",
    )
    write(tmp_path / "data.yaml", NAMES)
    (row,) = import_cohort(tmp_path, import_settings()).table.rows(named=True)
    found = [[b[k] for k in ("x", "y", "width", "height")] for b in row["boxes"]]
    assert found[0] == pytest.approx([20, 20, 40, 40])
    assert found[1] == pytest.approx([90, 40, 20, 20])
    polygon, none = row["outlines"]
    assert polygon["polygons"][0] == pytest.approx([20, 20, 60, 20, 40, 60])
    assert none is None


def test_size_is_that_of_the_image_as_shown(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("L", (200, 100)).save(tmp_path / "images/1.jpg", exif=exif)
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "data.yaml", NAMES)
    (row,) = import_cohort(tmp_path, import_settings()).table.rows(named=True)
    assert (row["boxes"][0]["width"], row["boxes"][0]["height"]) == (100, 200)


def test_size_of_a_dicom_file(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "dicom" / "radiographs" / "RG3_J2KI.dcm"
    write(tmp_path / "labels/RG3_J2KI.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "data.yaml", NAMES)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / source.name).symlink_to(source)
    (row,) = import_cohort(tmp_path, import_settings()).table.rows(named=True)
    assert (row["boxes"][0]["width"], row["boxes"][0]["height"]) == (1760, 1760)


def test_without_names_classes_are_numbers(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    write(tmp_path / "labels/1.txt", "1 0.5 0.5 0.1 0.2")
    with pytest.raises(GreenstickError, match="class 1"):
        import_cohort(tmp_path, import_settings())
    table = import_cohort(tmp_path, import_settings(positive=["class 1"])).table
    assert table["label"].to_list() == [1]


def test_images_without_label_file_are_left_out_unless_asked(
    images: MakeImages, tmp_path: Path
) -> None:
    images("images/1.png", "images/2.png")
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "data.yaml", NAMES)
    cohort = import_cohort(tmp_path, import_settings())
    assert len(cohort) == 1
    assert "first images/2.png" in cohort.notes[0]
    cohort = import_cohort(tmp_path, import_settings(unlisted_are_negative=True))
    assert cohort.table["label"].to_list() == [1, 0]


def test_label_files_without_image(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "labels/2.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "data.yaml", NAMES)
    with pytest.raises(GreenstickError, match=r"1 of 2 .* first: labels/2.txt"):
        import_cohort(tmp_path, import_settings())
    assert len(import_cohort(tmp_path, import_settings(skip_missing=True))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "fracture 1 2 3 4",
        "0 0.5 0.5",
        "0 1 2 3 4 5 6 7",
        "0 a b c d",
        "0.5 0.5 0.5 0.1 0.2",
        "-1 0.5 0.5 0.1 0.2",
    ],
)
def test_faulty_label(images: MakeImages, tmp_path: Path, line: str) -> None:
    images("images/1.png")
    write(tmp_path / "labels/1.txt", f"0 0.5 0.5 0.1 0.2\n{line}\n")
    write(tmp_path / "data.yaml", NAMES)
    with pytest.raises(GreenstickError, match=r"Line 2 of .*1\.txt"):
        import_cohort(tmp_path, import_settings())


def test_labels_in_another_encoding(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    label = tmp_path / "labels/1.txt"
    write(tmp_path / "data.yaml", NAMES)
    write(label, "")
    label.write_bytes("0 0.5 0.5 0.1 0.2".encode("utf-16"))
    assert import_cohort(tmp_path, import_settings()).table["label"].to_list() == [1]
    label.write_bytes(b"\x80\xff\x00")
    with pytest.raises(GreenstickError, match=r"Line 1 of .*1\.txt"):
        import_cohort(tmp_path, import_settings())


def test_a_class_beyond_the_list_of_names_is_refused(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    write(tmp_path / "labels/1.txt", "2 0.5 0.5 0.1 0.2")
    write(tmp_path / "data.yaml", NAMES)
    with pytest.raises(GreenstickError, match="class 2, which is not in the list") as refused:
        import_cohort(tmp_path, import_settings(positive=["class 2"]))
    assert "0 fracture, 1 metal" in refused.value.remedy


def test_a_class_goes_by_its_line_where_others_are_blank(
    images: MakeImages, tmp_path: Path
) -> None:
    images("images/1.png", "images/2.png")
    write(tmp_path / "labels/1.txt", "2 0.5 0.5 0.1 0.2")
    write(tmp_path / "labels/2.txt", "")
    write(tmp_path / "labels/classes.txt", "metal\n\nfracture\n\n")
    boxes = import_cohort(tmp_path, import_settings(negative=["metal"])).table["boxes"].to_list()
    assert [box["class"] for box in boxes[0]] == ["fracture"]
    write(tmp_path / "labels/1.txt", "1 0.5 0.5 0.1 0.2")
    with pytest.raises(GreenstickError, match="class 1, which is not in the list"):
        import_cohort(tmp_path, import_settings(negative=["metal"]))


@pytest.mark.parametrize(
    ("yaml", "match"),
    [
        ("names: [", "cannot be read as YAML"),
        ("names: fracture\n", "neither a list nor numbered"),
        ("names: {fracture: 0}\n", "neither a list nor numbered"),
        (NAMES + "train: 3\n", "names '3'"),
        ("fracture", "cannot be read as YAML"),
        (NAMES + "train: nowhere/pictures\n", "names 'nowhere/pictures'"),
        (NAMES + "train: images\nval: images\n", "images/1.png as train and as valid"),
    ],
)
def test_faulty_data_file(images: MakeImages, tmp_path: Path, yaml: str, match: str) -> None:
    images("images/1.png")
    write(tmp_path / "labels/1.txt", "")
    write(tmp_path / "data.yaml", yaml)
    with pytest.raises(GreenstickError, match=match):
        import_cohort(tmp_path, import_settings())


def test_no_labels(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    with pytest.raises(GreenstickError, match="no label files"):
        import_cohort(tmp_path, import_settings(format="yolo"))


def test_broken_image_with_boxes(images: MakeImages, tmp_path: Path) -> None:
    (path,) = images("images/1.png")
    whole = path.read_bytes()
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "data.yaml", NAMES)
    for cut in (0, 10, 20):
        path.write_bytes(whole[:cut])
        with pytest.raises(GreenstickError, match=r"1\.png"):
            import_cohort(tmp_path, import_settings())


def test_several_data_files(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 0.1 0.2")
    write(tmp_path / "one.yaml", NAMES)
    write(tmp_path / "other.yaml", NAMES)
    with pytest.raises(GreenstickError, match="several YAML files"):
        import_cohort(tmp_path, import_settings())
    write(tmp_path / "data.yaml", NAMES)
    assert import_cohort(tmp_path, import_settings()).table["label"].to_list() == [1]
