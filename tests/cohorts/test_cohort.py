"""The cohort: checks, paths, reading and writing."""

import os
from pathlib import Path

import polars as pl
import pytest

from greenstick.cohorts.cohort import BOX, SCHEMA, Cohort, make_cohort, read_cohort, write_cohort
from greenstick.errors import GreenstickError


def table(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"image": ["a.png", "b.png"], "label": [0, 1]} | columns)


def moved(cohort: Cohort, path: Path) -> list[Path]:
    """Write a cohort, read it again and return its paths."""
    write_cohort(cohort, path)
    return read_cohort(path).paths()


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_columns_are_completed_and_ordered() -> None:
    cohort = make_cohort(table(site=["x", "y"], split=["train", None]), Path())
    assert cohort.table.columns == [*SCHEMA, "site"]
    assert dict(cohort.table.schema) == {**SCHEMA, "site": pl.String()}
    assert cohort.table["boxes"].to_list() == [None, None]
    assert cohort.table["split"].to_list() == ["train", None]


def test_boxes_may_lack_their_class() -> None:
    box = {"height": 4, "width": 3, "y": 2, "x": 1}
    cohort = make_cohort(table(boxes=[[], [box]]), Path())
    assert cohort.table.schema["boxes"] == pl.List(BOX)
    assert cohort.table["boxes"].to_list() == [[], [{**box, "class": None}]]


def test_image_without_patient_is_its_own() -> None:
    cohort = make_cohort(table(patient=["p", None]), Path())
    assert cohort.patients().to_list() == ["p", "image:b.png"]


def test_blank_text_is_none_given() -> None:
    cohort = make_cohort(table(patient=["", " "], split=["", "test"]), Path())
    assert cohort.patients().to_list() == ["image:a.png", "image:b.png"]
    assert cohort.table["split"].to_list() == [None, "test"]


@pytest.mark.parametrize(
    ("faulty", "match"),
    [
        (pl.DataFrame({"image": [], "label": []}), "empty"),
        (pl.DataFrame({"image": ["a"]}), "no column 'label'"),
        (pl.DataFrame({"file": ["a"]}), "no column 'image' and no column 'label'"),
        (table(image=["a.png", "a.png"]), "listed more than once, first a.png"),
        (table(image=["a.png", None]), "no image"),
        (table(image=["a.png", ""]), "no image"),
        (table(label=[0, 2]), r"found \[2\]"),
        (table(label=[0.0, 0.7]), "'label' cannot be read as a whole number"),
        (table(label=["yes", "no"]), "'label' cannot be read as a whole number"),
        (table(split=["train", "holdout"]), "Unknown split .*holdout"),
        (table(boxes=["1 2 3 4", None]), "'boxes' cannot be read as a list of boxes"),
        (table(boxes=[[{"x": 1.0, "y": 2.0}], []]), "'boxes' cannot be read as a list of boxes"),
    ],
)
def test_refused(faulty: pl.DataFrame, match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        make_cohort(faulty, Path())


def test_whole_numbers_and_booleans_are_labels() -> None:
    assert make_cohort(table(label=[0.0, 1.0]), Path()).table["label"].to_list() == [0, 1]
    assert make_cohort(table(label=[False, True]), Path()).table["label"].to_list() == [0, 1]


def test_gaps_that_made_numbers_floats() -> None:
    cohort = make_cohort(table(label=[1.0, float("nan")], patient=[7.0, float("nan")]), Path())
    assert cohort.table["label"].to_list() == [1, None]
    assert cohort.table["patient"].to_list() == ["7", None]
    assert make_cohort(table(patient=[7.5, 8]), Path()).patients().to_list() == ["7.5", "8.0"]


def test_round_trip(tmp_path: Path) -> None:
    box = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "class": "spiral"}
    given = table(boxes=[[], [box]], patient=["p", "q"], age=[40, None])
    cohort = Cohort(make_cohort(given, tmp_path).table, tmp_path, notes=("3 left out.",))
    write_cohort(cohort, tmp_path / "cohort.parquet")
    read = read_cohort(tmp_path / "cohort.parquet")
    assert read.table.equals(cohort.table)
    assert read.notes == ("3 left out.",)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.parquet"]


def test_with_table_keeps_root_and_notes() -> None:
    cohort = Cohort(make_cohort(table(), Path("x")).table, Path("x"), notes=("one",))
    other = cohort.with_table(cohort.table.head(1))
    assert (len(other), other.root, other.notes) == (1, Path("x"), ("one",))


@pytest.mark.parametrize("name", ["a.png", "sub/with space/ä ö 骨折.png", "a'b\"c#.png"])
def test_images_are_found_from_elsewhere(tmp_path: Path, name: str) -> None:
    image = touch(tmp_path / "images" / name)
    cohort = make_cohort(pl.DataFrame({"image": [name], "label": [1]}), tmp_path / "images")
    (path,) = moved(cohort, tmp_path / "out" / "cohort.parquet")
    assert path.samefile(image)
    assert read_cohort(tmp_path / "out/cohort.parquet").table["image"][0] == f"../images/{name}"


def test_absolute_images_become_relative(tmp_path: Path) -> None:
    image = touch(tmp_path / "images" / "a.png")
    cohort = make_cohort(pl.DataFrame({"image": [str(image)], "label": [1]}), Path("anywhere"))
    moved(cohort, tmp_path / "c.parquet")
    assert read_cohort(tmp_path / "c.parquet").table["image"][0] == "images/a.png"


def test_relative_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = touch(tmp_path / "images" / "a.png")
    monkeypatch.chdir(tmp_path)
    cohort = make_cohort(pl.DataFrame({"image": ["a.png"], "label": [1]}), Path("images"))
    (path,) = moved(cohort, Path("out/c.parquet"))
    assert path.samefile(image)


def test_link_below_the_file_is_kept(tmp_path: Path) -> None:
    touch(tmp_path / "disk" / "a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").symlink_to(tmp_path / "disk")
    cohort = make_cohort(pl.DataFrame({"image": ["images/a.png"], "label": [1]}), tmp_path / "set")
    moved(cohort, tmp_path / "set" / "c.parquet")
    assert read_cohort(tmp_path / "set" / "c.parquet").table["image"][0] == "images/a.png"


def test_linked_folders_on_both_sides(tmp_path: Path) -> None:
    image = touch(tmp_path / "far/deep/images/a.png")
    (tmp_path / "out/real/place").mkdir(parents=True)
    (tmp_path / "images").symlink_to(tmp_path / "far/deep/images")
    (tmp_path / "here").symlink_to(tmp_path / "out/real/place")
    cohort = make_cohort(pl.DataFrame({"image": ["a.png"], "label": [1]}), tmp_path / "images")
    (path,) = moved(cohort, tmp_path / "here" / "c.parquet")
    assert path.samefile(image)
    # From a file behind a link, '..' leads to where the link points, not to where it stands.
    again = read_cohort(tmp_path / "here" / "c.parquet")
    (path,) = moved(again, tmp_path / "c.parquet")
    assert path.samefile(image)


def test_linked_file_keeps_its_own_name(tmp_path: Path) -> None:
    target = touch(tmp_path / "store" / "0f3a")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").symlink_to(target)
    cohort = make_cohort(pl.DataFrame({"image": ["a.png"], "label": [1]}), tmp_path / "images")
    (path,) = moved(cohort, tmp_path / "elsewhere" / "c.parquet")
    assert path.name == "a.png"
    assert path.samefile(target)


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = make_cohort(table(), tmp_path)
    path = tmp_path / "c.parquet"
    write_cohort(cohort, path)

    def fail(self: pl.DataFrame, file: Path, **options: object) -> None:
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(OSError, match="No space"):
        write_cohort(cohort.with_table(cohort.table.head(1)), path)
    monkeypatch.undo()
    assert len(read_cohort(path)) == 2
    assert os.listdir(tmp_path) == ["c.parquet"]  # noqa: PTH208


@pytest.mark.parametrize("name", ["cohort[1].parquet", "co*.parquet", "c?.parquet"])
def test_a_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    cohort = make_cohort(table(), tmp_path)
    write_cohort(cohort, tmp_path / "cohort2.parquet")
    write_cohort(cohort.with_table(cohort.table.head(1)), tmp_path / name)
    assert len(read_cohort(tmp_path / name)) == 1


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="There is no cohort"):
        read_cohort(tmp_path / "none.parquet")


def test_other_file(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("image,label\na.png,1\n")
    with pytest.raises(GreenstickError, match="not a Parquet file"):
        read_cohort(tmp_path / "c.csv")


def test_other_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(GreenstickError, match="no column 'image'"):
        read_cohort(tmp_path / "x.parquet")
