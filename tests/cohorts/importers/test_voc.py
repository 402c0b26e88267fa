"""Pascal VOC folders."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.errors import GreenstickError

MakeImages = Callable[..., list[Path]]
Corners = tuple[float, float, float, float]


def write_voc(path: Path, objects: Sequence[tuple[str, Corners]] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    marks = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for name, (a, b, c, d) in objects
    )
    path.write_text(f"<annotation><filename>renamed.png</filename>{marks}</annotation>")


def test_as_devkit(images: MakeImages, tmp_path: Path) -> None:
    images("JPEGImages/1.jpg", "JPEGImages/2.jpg", "JPEGImages/3.jpg")
    write_voc(tmp_path / "Annotations/1.xml", [("fracture", (1, 2, 11, 22.5))])
    write_voc(tmp_path / "Annotations/2.xml")
    write_voc(tmp_path / "Annotations/3.xml", [("text", (1, 2, 3, 4))])
    main = tmp_path / "ImageSets" / "Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_text("1\n2\n")
    (main / "val.txt").write_text("3 -1\n")
    cohort = import_cohort(tmp_path, import_settings(negative=["text"]))
    rows = cohort.table.rows(named=True)
    assert [row["image"] for row in rows] == [f"JPEGImages/{n}.jpg" for n in (1, 2, 3)]
    assert [row["label"] for row in rows] == [1, 0, 0]
    assert [row["split"] for row in rows] == ["train", "train", "valid"]
    box = {"x": 1.0, "y": 2.0, "width": 10.0, "height": 20.5, "class": "fracture"}
    assert [row["boxes"] for row in rows] == [[box], [], []]


def test_lists_of_files_and_of_names_with_blanks(images: MakeImages, tmp_path: Path) -> None:
    images("1.png", "a 1.png", "a 2.png")
    for name in ("1", "a 1", "a 2"):
        write_voc(tmp_path / f"{name}.xml")
    main = tmp_path / "ImageSets" / "Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_text("1.png\na 1\n")
    (main / "test.txt").write_text("a 2.png\n")
    table = import_cohort(tmp_path, import_settings()).table
    assert table["split"].to_list() == ["train", "train", "test"]
    (main / "test.txt").write_text("a 1\na 2\n")
    with pytest.raises(GreenstickError, match=r"a 1 is listed as test and as train"):
        import_cohort(tmp_path, import_settings())


def test_a_stray_file_does_not_hide_the_way_out(images: MakeImages, tmp_path: Path) -> None:
    images("fractured/1.png", "normal/2.png")
    (tmp_path / "settings.xml").write_text("<a/>")
    with pytest.raises(GreenstickError, match=r"first: settings\.xml") as refused:
        import_cohort(tmp_path, import_settings())
    assert "pass for voc; --format says otherwise" in refused.value.remedy
    assert len(import_cohort(tmp_path, import_settings(format="folders"))) == 2


def test_beside_the_images_and_by_split(images: MakeImages, tmp_path: Path) -> None:
    images("train/1.png", "test/1.png")
    write_voc(tmp_path / "train/1.xml", [("fracture", (1, 2, 3, 4))])
    write_voc(tmp_path / "test/1.xml")
    table = import_cohort(tmp_path, import_settings()).table
    assert table.select("image", "label", "split").rows() == [
        ("test/1.png", 0, "test"),
        ("train/1.png", 1, "train"),
    ]


def test_images_elsewhere(images: MakeImages, tmp_path: Path) -> None:
    images("pictures/a/1.png", "pictures/b/2.png")
    write_voc(tmp_path / "Annotations/PASCAL VOC/1.xml", [("fracture", (1, 2, 3, 4))])
    settings = import_settings(images=tmp_path / "pictures")
    cohort = import_cohort(tmp_path / "Annotations", settings)
    assert cohort.table["image"].to_list() == ["a/1.png"]
    assert "first b/2.png" in cohort.notes[0]


def test_one_name_twice(images: MakeImages, tmp_path: Path) -> None:
    images("pictures/a/1.png", "pictures/b/1.png")
    write_voc(tmp_path / "Annotations/1.xml")
    with pytest.raises(GreenstickError, match="may belong to pictures/a/1"):
        import_cohort(tmp_path, import_settings())


def test_two_annotations_of_one_image(images: MakeImages, tmp_path: Path) -> None:
    images("images/1.png")
    write_voc(tmp_path / "Annotations/1.xml")
    write_voc(tmp_path / "xml/1.xml")
    with pytest.raises(GreenstickError, match="two annotations"):
        import_cohort(tmp_path, import_settings())


def test_annotation_without_image(images: MakeImages, tmp_path: Path) -> None:
    images("1.png")
    write_voc(tmp_path / "1.xml")
    write_voc(tmp_path / "2.xml")
    with pytest.raises(GreenstickError, match=r"1 of 2 .*first: 2\.xml"):
        import_cohort(tmp_path, import_settings())


@pytest.mark.parametrize(
    "text",
    [
        "<annotation>",
        "<annotation><object><name>fracture</name></object></annotation>",
        "<annotation><object><name>fracture</name><bndbox><xmin>1</xmin></bndbox></object>"
        "</annotation>",
    ],
)
def test_faulty(images: MakeImages, tmp_path: Path, text: str) -> None:
    images("1.png")
    (tmp_path / "1.xml").write_text(text)
    with pytest.raises(GreenstickError, match=r"1\.xml is no Pascal VOC annotation"):
        import_cohort(tmp_path, import_settings())


def test_none(images: MakeImages, tmp_path: Path) -> None:
    images("1.png")
    with pytest.raises(GreenstickError, match="no XML files"):
        import_cohort(tmp_path, import_settings(format="voc"))
