"""CSV files with one row a box."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.errors import GreenstickError

MakeImages = Callable[..., list[Path]]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    return path


def corners(row: dict[str, object]) -> list[tuple[float, ...]]:
    return [tuple(b[n] for n in ("x", "y", "width", "height")) for b in row["boxes"]]  # type: ignore[attr-defined]


def test_shares_of_centers_become_pixels_and_rows_become_images(
    images: MakeImages, tmp_path: Path
) -> None:
    images("a.png", "b.png", "c.png")
    path = write(
        tmp_path,
        "image,group,fracture_type,x_center,y_center,width,height\n"
        "a.png,007,spiral,0.5,0.5,0.1,0.2\n"
        "a.png,007,oblique,0.25,0.5,0.5,1\n"
        "b.png,008,Healthy,,,,\n",
    )
    settings = import_settings(positive=["*"], patient_column="group", unlisted_are_negative=True)
    table = import_cohort(path, settings).table.sort("image")
    a, b, c = table.iter_rows(named=True)
    assert corners(a) == [pytest.approx((90, 40, 20, 20)), pytest.approx((0, 0, 100, 100))]
    assert [box["class"] for box in a["boxes"]] == ["spiral", "oblique"]
    assert (a["label"], a["fracture_type"], a["patient"]) == (1, "oblique + spiral", "007")
    assert (b["label"], b["boxes"], c["label"], c["boxes"]) == (0, [], 0, [])


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ("x,y,width,height", "10,20,30,40"),
        ("xmin,ymin,xmax,ymax", "10,20,40,60"),
        ("x1,y1,x2,y2", "10,20,40,60"),
        ("cx,cy,w,h", "25,40,30,40"),
    ],
)
def test_every_form_gives_the_same_box(
    columns: str, row: str, images: MakeImages, tmp_path: Path
) -> None:
    images("a.png")
    path = write(tmp_path, f"image,class,{columns}\na.png,fracture,{row}\n")
    (only,) = import_cohort(path, import_settings()).table.iter_rows(named=True)
    assert corners(only) == [(10, 20, 30, 40)]


def test_a_table_of_labels_stays_one_row_an_image(images: MakeImages, tmp_path: Path) -> None:
    images("a.png")
    path = write(tmp_path, "image,label,x,y,width,height\na.png,1,1,2,3,4\n")
    cohort = import_cohort(path, import_settings())
    assert cohort.table["boxes"].to_list() == [None]
    as_boxes = import_cohort(path, import_settings(format="csv-boxes"))
    assert corners(as_boxes.table.row(0, named=True)) == [(1, 2, 3, 4)]


def test_classes_are_renamed_and_merged(images: MakeImages, tmp_path: Path) -> None:
    images("a.png")
    path = write(tmp_path, "image,class,x,y,w,h\na.png,spiral,1,2,3,4\na.png,oblique,5,6,7,8\n")
    merged = {"spiral": "long bone", "oblique": "long bone"}
    cohort = import_cohort(path, import_settings(positive=["*"], classes=merged))
    (row,) = cohort.table.iter_rows(named=True)
    assert {box["class"] for box in row["boxes"]} == {"long bone"}
    assert row["fracture_type"] == "long bone"
    with pytest.raises(GreenstickError, match="no class 'old' to rename"):
        import_cohort(path, import_settings(positive=["*"], classes={"old": "new"}))


def test_columns_that_differ_within_an_image_are_left_empty(
    images: MakeImages, tmp_path: Path
) -> None:
    images("a.png")
    path = write(
        tmp_path,
        "image,class,site,reader,x,y,w,h\n"
        "a.png,fracture,north,1,1,2,3,4\na.png,fracture,north,2,5,6,7,8\n",
    )
    row = import_cohort(path, import_settings()).table.row(0, named=True)
    assert (row["site"], row["reader"]) == ("north", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,class,x,y,w,h\na.png,fracture,1,2,wide,4\n", "a.png has a box that is not four"),
        ("image,class,x,y,w,h\na.png,fracture,1,2,,4\n", "a.png has a box that is not four"),
        ("file,class,x,y,w,h\na.png,fracture,1,2,3,4\n", "has no column 'image'"),
        ("image,x,y,w,h\na.png,1,2,3,4\n", "no column with the class of a box"),
        ("image,class,x,y\na.png,fracture,1,2\n", "has no four columns of a box"),
        (
            "image,class,x,y,w,h\na.png,fracture,1,2,3,4\n,fracture,1,2,3,4\n",
            "1 rows have no image",
        ),
        ("image,class,x,y,w,h\nb.png,fracture,1,2,3,4\n", "b.png"),
        ("image,class,x,y,w,h\na.png,what,1,2,3,4\n", "Not clear which of these classes"),
    ],
)
def test_faulty_tables_are_refused(
    text: str, said: str, images: MakeImages, tmp_path: Path
) -> None:
    images("a.png")
    with pytest.raises(GreenstickError, match=said):
        import_cohort(write(tmp_path, text), import_settings(format="csv-boxes"))


def test_labels_alone_have_no_classes_to_rename(images: MakeImages, tmp_path: Path) -> None:
    images("a.png")
    path = write(tmp_path, "image,label\na.png,1\n")
    with pytest.raises(GreenstickError, match="no classes of boxes to rename"):
        import_cohort(path, import_settings(classes={"1": "2"}))
