"""Run folders: begun, gone on with, never written over unasked."""

from pathlib import Path

import pytest

from greenstick.errors import GreenstickError
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.run_folder import open_run
from greenstick.files import write_whole

EXPERIMENT = Experiment(cohort="/somewhere/cohort.parquet")


def test_an_unfinished_run_of_the_same_settings_goes_on(tmp_path: Path) -> None:
    run = open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    (run / "splits.parquet").write_bytes(b"kept")
    again = open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    assert (again / "splits.parquet").read_bytes() == b"kept"


def test_other_settings_are_refused(tmp_path: Path) -> None:
    open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    other = EXPERIMENT.model_copy(update={"seed": 1})
    with pytest.raises(GreenstickError, match="other settings"):
        open_run(other, tmp_path / "run", overwrite=False)


def test_a_finished_run_is_written_over_only_when_asked(tmp_path: Path) -> None:
    run = open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    (run / "evidence.json").write_text("{}")
    (run / "models" / "m").mkdir(parents=True)
    with pytest.raises(GreenstickError, match="finished run") as refusal:
        open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    assert "--overwrite" in refusal.value.remedy
    fresh = open_run(EXPERIMENT, tmp_path / "run", overwrite=True)
    assert not fresh.finished
    assert not (fresh / "models").exists()


def test_a_folder_of_something_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.json").write_text("mine")
    with pytest.raises(GreenstickError, match="no run folder"):
        open_run(EXPERIMENT, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.json").read_text() == "mine"


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(b"old")

    def fails(part: Path) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, fails)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
