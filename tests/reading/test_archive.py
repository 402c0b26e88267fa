import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.reading import archive
from greenstick.reading.archive import overlay_names, read_paths
from greenstick.reading.finding import find_files
from greenstick.reading.results import read_json

Maker = Callable[..., Path]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_folders_are_walked_sorted_without_hidden_files(scans: Path) -> None:
    found = find_files([scans / "sub" / "dark.png", scans])
    assert names(found.files) == ["dark.png", "bright.jpg", "cut.jpg", "dark.png", "notes.txt"]
    assert found.files[0] == scans / "sub" / "dark.png"  # given first, and not found again


def test_links_to_folders_are_followed_once(scans: Path, tmp_path: Path) -> None:
    (scans / "sub" / "up").symlink_to(scans)
    (scans / "elsewhere").symlink_to(tmp_path / "other")
    (scans / "gone.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "film.png").write_bytes(b"x")
    assert names(find_files([scans]).files) == [
        "bright.jpg", "cut.jpg", "dark.png", "film.png", "gone.png", "notes.txt", "dark.png",
    ]  # fmt: skip


def test_nothing_to_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="no files to read"):
        find_files([tmp_path])
    with pytest.raises(GreenstickError, match="There is nothing at"):
        find_files([tmp_path / "none"])
    with pytest.raises(GreenstickError, match="among the images"):
        find_files([tmp_path], leave_out=tmp_path)


def test_results_are_written_and_not_read_as_images(make_model: Maker, scans: Path) -> None:
    steps: list[tuple[int, int]] = []
    output = scans / "readings"
    for _ in range(2):  # the second time, the first results lie in the folder that is walked
        steps.clear()
        readings = read_paths(
            [scans], make_model.__call__(f"m{_}"), output, threads=1,
            progress=lambda done, total: steps.append((done, total)),
        )  # fmt: skip
        assert len(readings) == 5
    assert steps == [(n, 5) for n in range(1, 6)]
    assert [Path(r.path).name for r in readings if r.status == "not read"] == [
        "cut.jpg",
        "notes.txt",
    ]
    assert read_json(output / "readings.json").readings == readings
    with (output / "readings.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [r.path for r in readings]


def test_each_read_film_has_a_picture_of_its_own(make_model: Maker, scans: Path) -> None:
    output = scans.parent / "out"
    readings = read_paths([scans], make_model(), output, threads=1)
    drawn = [reading.overlay for reading in readings if reading.status == "read"]
    assert len(set(drawn)) == 3
    assert sorted(path.name for path in (output / "overlays").iterdir()) == sorted(drawn)
    for name in drawn:
        with Image.open(output / "overlays" / name) as picture:
            assert picture.size == (512 + 148, 512 + 26)


def test_pictures_can_be_left_out(make_model: Maker, scans: Path) -> None:
    output = scans.parent / "out"
    readings = read_paths([scans], make_model(), output, overlays=False, threads=1)
    assert {reading.overlay for reading in readings} == {""}
    assert not (output / "overlays").exists()


def test_picture_names_are_safe_and_unique() -> None:
    paths = [
        Path(text)
        for text in (
            "a/x.png",
            "b/X.jpg",
            "a/../../etc/pass wd",
            "q/Ünï/ü.png",
            "z/.png",
            "a/ok.1.dcm",
        )
    ]
    given = overlay_names(paths)
    assert len({name.lower() for name in given.values()}) == len(paths)
    assert given[str(paths[2])] == "pass_wd.png"
    assert given[str(paths[5])] == "ok.1.png"
    assert all(name.isascii() and "/" not in name for name in given.values())
    assert given == overlay_names(paths[::-1])


def test_a_folder_that_cannot_be_looked_into_is_reported(
    make_model: Maker, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Path.iterdir

    def iterdir(folder: Path) -> object:
        if folder.name == "sub":
            raise PermissionError(13, "Permission denied")
        return look(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    readings = read_paths([scans], make_model(), scans.parent / "out", overlays=False, threads=1)
    assert readings[0].path == str(scans / "sub")
    assert readings[0].status == "not read"
    assert "Permission denied" in readings[0].reason
    assert len(readings) == 5


def test_what_was_read_is_kept_when_broken_off_and_gone_on_with(
    make_model: Maker, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, output = make_model(), scans.parent / "out"

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_paths([scans], model, output, threads=1, progress=stop)
    kept = read_json(output / "readings.json")
    assert not kept.complete
    assert [reading.status for reading in kept.readings] == ["read", "not read", "read"]

    opened = []
    open_radiograph = archive.Reader.examine

    def examine(reader: archive.Reader, paths: list[Path]) -> object:
        opened.extend(names(paths))
        return open_radiograph(reader, paths)

    monkeypatch.setattr(archive.Reader, "examine", examine)
    readings = read_paths([scans], model, output, threads=1)
    assert opened == ["cut.jpg", "notes.txt", "dark.png"]  # what was not read is tried again
    assert [reading.status for reading in readings].count("read") == 3
    assert readings[0] == kept.readings[0]
    assert json.loads((output / "readings.json").read_text())["complete"] is True


def test_another_model_does_not_go_on_with_it(make_model: Maker, scans: Path) -> None:
    output = scans.parent / "out"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_paths([scans], make_model("one"), output, threads=1, progress=stop)
    readings = read_paths([scans], make_model("two"), output, threads=1)
    assert {reading.model for reading in readings} == {"two"}


def test_results_are_kept_while_reading(
    make_model: Maker, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.setattr(archive, "_WRITING_SHARE", 0.0)
    output, seen = scans.parent / "out", []
    read_paths(
        [scans],
        make_model(),
        output,
        threads=1,
        progress=lambda done, total: seen.append(len(read_json(output / "readings.json").readings)),
    )
    assert seen == [1, 2, 3, 4, 5]
