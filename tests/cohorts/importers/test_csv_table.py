"""CSV files as they come."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.errors import GreenstickError

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def imported(images: MakeImages, tmp_path: Path) -> Callable[..., Cohort]:
    """Return a function that imports a CSV's text beside the images 1.png to 4.png."""
    images(*(f"images/{n}.png" for n in range(1, 5)))

    def make(text: str | bytes, name: str = "t.csv", **settings: object) -> Cohort:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return import_cohort(path, import_settings(**settings))

    return make


Import = Callable[..., Cohort]
PLAIN = "image,label\n1.png,1\n2.png,0\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", "\n\n,\n"),
        PLAIN.replace(".png", ""),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        'image;"label, by two readers; agreed";label\n1.png;a,b;1\n2.png;c;0\n',
        "image,label\n1.png,true\n2.png,FALSE\n",
        "image,label\n1.png,Yes\n2.png,no\n",
        "image,label\n1.png,1.0\n2.png,0.0\n",
        "image,label\n1.png,Fractured\n2.png,Not fractured\n",
        "image,label\nimages/1.png,1\n/home/else/images/2.png,0\n",
    ],
)
def test_spellings(imported: Import, text: str | bytes) -> None:
    table = imported(text).table
    assert table.select("image", "label").rows() == [("images/1.png", 1), ("images/2.png", 0)]


def test_other_column_names(imported: Import, tmp_path: Path) -> None:
    cohort = imported(
        "file,patient,Fracture,age,kind,label\n1.png,007,yes,40,spiral,x\n2.png,012,no,,,y\n",
        images=tmp_path / "images",
        image_column="file",
        label_column="Fracture",
        fracture_type_column="kind",
    )
    assert cohort.root == tmp_path / "images"
    row, other = cohort.table.rows(named=True)
    assert row["image"] == "1.png"
    assert row["patient"] == "007", "text, not the number 7"
    assert (row["label"], other["label"]) == (1, 0)
    assert (row["fracture_type"], other["fracture_type"]) == ("spiral", None)
    assert (row["age"], other["age"]) == (40, None)
    assert row["label_in_csv"] == "x"


def test_types_of_columns(imported: Import) -> None:
    text = "image,label,age,bmi,code,site\n1.png,1,40,20.5,01,a\n2.png,0,NA,21,02,\n"
    table = imported(text).table
    assert table["age"].to_list() == [40, None]
    assert table["bmi"].to_list() == [20.5, 21.0]
    assert table["code"].to_list() == ["01", "02"]
    assert table["site"].to_list() == ["a", None]


def test_words_for_labels_and_types(imported: Import) -> None:
    text = "image,label\n1.png,spiral\n2.png,cast\n3.png,oblique\n"
    table = imported(text, positive=["spiral", "oblique"], negative=["cast"]).table
    assert table["label"].to_list() == [1, 0, 1]
    assert table["fracture_type"].to_list() == ["spiral", None, "oblique"]


def test_windows_text(imported: Import) -> None:
    text = "image,label,klinik\n1.png,1,Köln\n2.png,0,Ulm\n".encode("cp1252")
    assert imported(text).table["klinik"].to_list() == ["Köln", "Ulm"]


def test_split_words(imported: Import) -> None:
    text = "image,label,split\n1.png,1,Training\n2.png,0,val\n3.png,1,test\n4.png,0,\n"
    assert imported(text).table["split"].to_list() == ["train", "valid", "test", None]


def test_unlabeled_rows_are_kept_and_noted(imported: Import) -> None:
    cohort = imported("image,label\n1.png,1\n2.png,\n3.png,0\n")
    assert cohort.table["label"].to_list() == [1, None, 0]
    assert cohort.notes == ("Images without a label: 1.",)


def test_a_cell_of_blanks_is_empty(imported: Import) -> None:
    table = imported("image,label,patient\n1.png,1, \n2.png,0, NA\n3.png, ,x\n").table
    assert table["patient"].to_list() == [None, None, "x"], "else all these were one patient"
    assert table["label"].to_list() == [1, 0, None]


def test_columns_of_an_earlier_import_are_kept(imported: Import) -> None:
    text = "image,label,patient,patient_in_csv,pid\n1.png,1,a,old,p\n2.png,0,b,old,q\n"
    table = imported(text, patient_column="pid").table
    assert table["patient"].to_list() == ["p", "q"]
    assert table["patient_in_csv"].to_list() == ["old", "old"]
    assert table["patient_in_csv_in_csv"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("file,label\n1.png,1\n", "no column 'image'; it has: file, label"),
        ("image,fracture\n1.png,1\n", "no column 'label'; it has: image, fracture"),
        ("image,label\n1.png,maybe\n2.png,1\n", "maybe .found: 1, maybe."),
        ("image,label\n1.png,\n2.png,\n", "'label' is empty"),
        ("image,label\n,1\n2.png,0\n", "1 rows have no image"),
        ("image,label\n1.png,1\n1.png,1\n", "more than once"),
        ("image,label\n1.png,1,2,3\n", "cannot be read as CSV"),
        ("image,label\n", "'label' is empty"),
        ("image,label, label\n1.png,1,0\n", "several columns 'label'"),
        ("", "cannot be read as CSV"),
        ("x" * 200_000, "cannot be read as CSV"),
    ],
)
def test_refused(imported: Import, text: str, match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        imported(text)


def test_missing_column_that_was_asked_for(imported: Import) -> None:
    with pytest.raises(GreenstickError, match="no column 'who'") as error:
        imported(PLAIN, patient_column="who")
    assert "--patient-column" in error.value.remedy


def test_missing_images(imported: Import) -> None:
    text = PLAIN + "".join(f"x{n}.png,1\n" for n in range(5))
    with pytest.raises(GreenstickError, match=r"5 of 7 .*first: x0.png, x1.png, x2.png\.") as error:
        imported(text)
    assert "--skip-missing" in error.value.remedy


def test_missing_images_left_out(imported: Import) -> None:
    cohort = imported(PLAIN + "x.png,1\n", skip_missing=True)
    assert len(cohort) == 2
    assert cohort.notes == ("1 of 3 listed images were missing and left out, first: x.png.",)


def test_all_images_missing(imported: Import, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GreenstickError, match="2 of 2 listed images"):
        imported(PLAIN, images=tmp_path / "empty", skip_missing=True)


def test_one_name_in_two_folders(imported: Import, images: MakeImages) -> None:
    images("other/1.png")
    with pytest.raises(GreenstickError, match=r"'1\.png' may be any of 2 files"):
        imported(PLAIN)


def test_computed_columns_build_on_each_other(imported: Import) -> None:
    columns = {
        "number": "CAST(LEFT(RIGHT(image, 5), 1) AS INT)",
        "patient": "CONCAT('block ', number // 2)",
        "split": "CASE WHEN number < 3 THEN 'train' WHEN number >= 4 THEN 'test' END",
    }
    text = "image,label\n1.png,1\n2.png,0\n3.png,1\n4.png,0\n"
    table = imported(text, columns=columns).table
    assert table["patient"].to_list() == ["block 0", "block 1", "block 1", "block 2"]
    assert table["split"].to_list() == ["train", "train", None, "test"]


@pytest.mark.parametrize("expression", ["no_such + 1", "SELECT FROM", "CAST(image AS INT)"])
def test_faulty_expression(imported: Import, expression: str) -> None:
    with pytest.raises(GreenstickError, match="'x' cannot be computed") as error:
        imported(PLAIN, columns={"x": expression})
    assert "image, label" in error.value.remedy


def test_patient_pattern(imported: Import) -> None:
    cohort = imported(PLAIN, patient_pattern=r"(1)\.png")
    assert cohort.table["patient"].to_list() == ["1", None]
    assert "no patient in the path: 1" in cohort.notes[0]


@pytest.mark.parametrize(("pattern", "match"), [("(", "no regular"), ("(p9)", "fits no image")])
def test_faulty_patient_pattern(imported: Import, pattern: str, match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        imported(PLAIN, patient_pattern=pattern)


def test_unknown_suffix(imported: Import) -> None:
    with pytest.raises(GreenstickError, match=r"t\.xlsx is not told by its suffix"):
        imported(PLAIN, name="t.xlsx")


@pytest.mark.parametrize(
    ("values", "match"), [({"format": "excel"}, "'format'"), ({"labels": "x"}, "'labels'")]
)
def test_settings_refused(values: dict[str, object], match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        import_settings(**values)
