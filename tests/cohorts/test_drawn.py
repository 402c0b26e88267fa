"""Drawn cohorts as files."""

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from greenstick.cohorts.cohort import Cohort, read_cohort
from greenstick.cohorts.drawn import write_phantom_cohort
from greenstick.errors import GreenstickError
from greenstick.radiographs.phantom import KINDS, draw_patient

SIZE = 160


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("drawn")
    return read_cohort(write_phantom_cohort(folder, 24, seed=3, size_px=SIZE))


def test_there_are_as_many_images_as_asked_for(drawn: Cohort) -> None:
    assert len(drawn) == 24
    assert all(path.is_file() for path in drawn.paths())
    assert len(list((drawn.root / "images").iterdir())) == 24


def test_columns(drawn: Cohort) -> None:
    extra = ["body_part", "view", "laterality", "exposure", "hardware", "child", "visibility"]
    assert drawn.table.columns[6:] == extra
    assert drawn.table["visibility"].dtype == pl.Float64
    assert drawn.table["split"].null_count() == 24
    fractured = drawn.table.filter(pl.col("label") == 1)
    healthy = drawn.table.filter(pl.col("label") == 0)
    assert 0 < len(fractured) < 24
    assert set(fractured["fracture_type"]) <= set(KINDS)
    assert fractured["boxes"].list.len().min() >= 1
    assert fractured["visibility"].null_count() == 0
    assert healthy["fracture_type"].null_count() == len(healthy)
    assert healthy["boxes"].list.len().max() == 0
    assert healthy["visibility"].null_count() == len(healthy)


def test_a_patient_is_one_limb_with_one_label(drawn: Cohort) -> None:
    by_patient = drawn.table.group_by("patient").agg(
        pl.col("label", "body_part", "laterality", "child").n_unique(),
        pl.len().alias("films"),
        pl.col("view").n_unique().alias("views"),
    )
    assert by_patient.select(pl.col("label", "body_part", "laterality", "child").max()).row(0) == (
        1, 1, 1, 1,
    )  # fmt: skip
    assert by_patient["films"].max() in (2, 3)
    assert by_patient["views"].to_list() == by_patient["films"].to_list()


def test_the_files_are_the_drawings_and_say_so(drawn: Cohort) -> None:
    expected = draw_patient(3, 0, size_px=SIZE)[0]
    with Image.open(drawn.paths()[0]) as image:
        assert image.mode == "L"
        assert "no patient" in image.info["Comment"]
        assert np.array_equal(np.asarray(image), np.rint(expected.pixels * 255))


def test_names_do_not_tell_the_label(drawn: Cohort) -> None:
    shapes = {"".join("0" if c.isdigit() else c for c in name) for name in drawn.table["image"]}
    assert len(shapes) == 1


@pytest.mark.parametrize(("workers", "processes"), [(1, False), (2, True)])
def test_the_same_files_whoever_draws_them(
    drawn: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, processes: bool
) -> None:
    monkeypatch.setattr("greenstick.cohorts.drawn._MANY", 1)
    path = write_phantom_cohort(
        tmp_path / "again", 9, seed=3, size_px=SIZE, workers=workers, processes=processes
    )
    few = read_cohort(path)
    # A smaller cohort is the beginning of a larger one, but for a last patient cut short.
    assert few.table.equals(drawn.table.head(9))
    for one, other in zip(few.paths(), drawn.paths(), strict=False):
        assert one.read_bytes() == other.read_bytes()


def test_a_lost_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object) -> None:
        raise BrokenProcessPool("a child was killed")

    monkeypatch.setattr("greenstick.cohorts.drawn._draw", lose)
    with pytest.raises(GreenstickError, match="ended by the system"):
        write_phantom_cohort(tmp_path / "lost", 3, size_px=SIZE)
    assert not (tmp_path / "lost" / "cohort.parquet").exists()


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_phantom_cohort(
        tmp_path, 5, size_px=SIZE, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (5, 5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("number", [0, -3])
def test_none_cannot_be_drawn(tmp_path: Path, number: int) -> None:
    with pytest.raises(GreenstickError, match="cannot be drawn"):
        write_phantom_cohort(tmp_path / "none", number)
    assert not (tmp_path / "none").exists()


def test_bad_settings_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="whole number"):
        write_phantom_cohort(tmp_path / "none", 3, seed=-1)
    with pytest.raises(GreenstickError, match="too small"):
        write_phantom_cohort(tmp_path / "none", 3, size_px=20)
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GreenstickError, match="cannot be written"):
        write_phantom_cohort(tmp_path / "file" / "within", 2, size_px=SIZE)


def test_a_cohort_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write_phantom_cohort(tmp_path, 4, size_px=SIZE)
    with pytest.raises(GreenstickError, match="holds a cohort already") as refused:
        write_phantom_cohort(tmp_path, 2, size_px=SIZE)
    assert "--overwrite" in refused.value.remedy
    (tmp_path / "images" / "mine.png").write_bytes(b"")
    write_phantom_cohort(tmp_path, 2, size_px=SIZE, overwrite=True)
    assert len(read_cohort(tmp_path / "cohort.parquet")) == 2
    # Former drawings go, a user's own file stays.
    assert len(list((tmp_path / "images").glob("p*.png"))) == 2
    assert (tmp_path / "images" / "mine.png").exists()
