import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.reading import rows
from greenstick.reading.reader import Reader
from greenstick.reading.table import read_archive

Maker = Callable[..., Path]
ANSWERS = ["path", "status", "reason", "probability", "decision", "checksum", "model_digest"]


def answers(table: Path) -> pl.DataFrame:
    return pl.read_parquet(table).select(ANSWERS).sort("path")


def test_a_row_a_file_equal_to_what_a_reader_says(make_model: Maker, scans: Path) -> None:
    model, table = make_model(), scans.parent / "results.parquet"
    steps: list[tuple[int, int]] = []
    summary = read_archive(
        [scans], model, table, threads=1, progress=lambda *step: steps.append(step)
    )
    assert (summary.files, summary.not_read, summary.new) == (5, 2, 5)
    assert dict(summary.reasons)["does not decode to its last row (it is cut short)."] == 1
    assert steps == [(n, 5) for n in range(1, 6)]
    reader = Reader(model, threads=1)
    for row in pl.read_parquet(table).iter_rows(named=True):
        reading = reader(row["path"])
        assert (row["status"], row["reason"]) == (reading.status, reading.reason)
        assert row["probability"] == pytest.approx(reading.probability)
        assert [box["x"] for box in row["boxes"]] == [box.x for box in reading.boxes]
        assert row["research_use"]
    with summary.not_read_list.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert not table.with_suffix(".parts").exists()


def test_what_is_broken_off_is_gone_on_with(
    make_model: Maker, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PART_ROWS", 2)
    model, table = make_model(), scans.parent / "results.parquet"

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_archive([scans], model, table, threads=1, progress=stop)
    assert not table.exists()
    assert read_archive([scans], model, table, threads=1).new == 2
    read_archive([scans], model, scans.parent / "at-once.parquet", threads=1)
    assert answers(table).equals(answers(scans.parent / "at-once.parquet"))


def test_a_finished_table_grows_by_what_is_new_or_changed(make_model: Maker, scans: Path) -> None:
    model, table = make_model(), scans.parent / "results.parquet"
    read_archive([scans], model, table, threads=1)
    assert read_archive([scans], model, table, threads=1).new == 0
    (scans / "cut.jpg").write_bytes((scans / "bright.jpg").read_bytes())  # fetched again, whole
    Image.open(scans / "dark.png").transpose(Image.Transpose.ROTATE_90).save(scans / "new.png")
    summary = read_archive([scans], model, table, threads=1)
    assert (summary.new, summary.files, summary.not_read) == (2, 6, 1)
    found = pl.read_parquet(table)
    assert found["path"].n_unique() == 6
    mended = found.filter(pl.col("path").str.ends_with("cut.jpg")).row(0, named=True)
    bright = found.filter(pl.col("path").str.ends_with("bright.jpg")).row(0, named=True)
    assert mended["probability"] == bright["probability"]


def test_the_same_content_elsewhere_is_not_read_again(
    make_model: Maker, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, table = make_model(), scans.parent / "results.parquet"
    read_archive([scans], model, table, threads=1)
    scans.rename(scans.parent / "moved")
    asked: list[Path] = []
    read_many = Reader.read_many

    def spy(reader: Reader, paths: list[Path]) -> object:
        asked.extend(paths)
        return read_many(reader, paths)

    monkeypatch.setattr(Reader, "read_many", spy)
    summary = read_archive([scans.parent / "moved"], model, table, threads=1)
    assert [path.name for path in asked] == ["cut.jpg", "notes.txt"]
    assert (summary.new, summary.files) == (5, 10)


def test_another_model_adds_rows_of_its_own(make_model: Maker, scans: Path) -> None:
    table = scans.parent / "results.parquet"
    read_archive([scans], make_model("one"), table, threads=1)
    summary = read_archive([scans], make_model("two"), table, threads=1)
    assert (summary.new, summary.files) == (5, 5)
    assert pl.read_parquet(table)["model"].value_counts()["count"].to_list() == [5, 5]


def test_nothing_is_lost_or_doubled_by_a_kill(make_model: Maker, scans: Path) -> None:
    model, table = make_model(), scans.parent / "results.parquet"
    content = (scans / "dark.png").read_bytes()
    for n in range(60):
        (scans / f"film-{n:02d}.png").write_bytes(content + bytes([n]))
    program = (
        "import sys, time; from greenstick.reading import rows, table; rows.PART_ROWS = 5;"
        f"table.read_archive([{str(scans)!r}], {str(model)!r}, {str(table)!r}, threads=1,"
        " progress=lambda done, total: time.sleep(0.02))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    parts = table.with_suffix(".parts")
    end = time.monotonic() + 60
    while len(list(parts.glob("part-*.parquet"))) < 4 and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not table.exists()
    summary = read_archive([scans], model, table, threads=1)
    assert summary.files == 65
    assert 0 < summary.new <= 45
    assert answers(table)["path"].n_unique() == len(answers(table)) == 65


def test_a_name_of_no_alphabet_has_a_row(make_model: Maker, scans: Path) -> None:
    odd = os.fsdecode(os.fsencode(scans) + b"/fil\xffm.png")
    Path(odd).write_bytes((scans / "dark.png").read_bytes())
    Path(odd).with_suffix(".dcm").write_bytes(b"")  # its reason names it
    table = scans.parent / "results.parquet"
    for new in (7, 0):
        assert read_archive([scans], make_model(f"m{new}") if new else scans.parent / "m7", table,
                            threads=1).new == new  # fmt: skip
    rows = pl.read_parquet(table)
    assert any(path.endswith("fil\\xffm.png") for path in rows["path"])
    assert any(reason.startswith("fil\\xffm.dcm is") for reason in rows["reason"])


def test_nothing_to_read_says_so(make_model: Maker, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GreenstickError, match="no files to read"):
        read_archive([tmp_path / "empty"], make_model(), tmp_path / "results.parquet")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_reads_the_same(make_model: Maker, scans: Path) -> None:
    pytest.importorskip("ray", reason="Ray is an extra")
    model = make_model()
    read_archive([scans], model, scans.parent / "here.parquet", threads=1)
    read_archive([scans], model, scans.parent / "ray.parquet", ray="local")
    assert answers(scans.parent / "ray.parquet").equals(answers(scans.parent / "here.parquet"))
