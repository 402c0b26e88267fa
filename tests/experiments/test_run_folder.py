"""Run folders: begun, gone on with, never written over unasked."""

from pathlib import Path

import pytest

from greenstick.errors import GreenstickError
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.run_folder import check_cohort, note_cohort, open_run
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
    run.remove_work()
    (run / "models" / "m").mkdir(parents=True)
    with pytest.raises(GreenstickError, match="finished run") as refusal:
        open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    assert "--overwrite" in refusal.value.remedy
    assert "greenstick report" in refusal.value.remedy  # which is not there
    fresh = open_run(EXPERIMENT, tmp_path / "run", overwrite=True)
    assert not fresh.finished
    assert not (fresh / "models").exists()


def test_a_folder_of_something_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.json").write_text("mine")
    with pytest.raises(GreenstickError, match="no run folder"):
        open_run(EXPERIMENT, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.json").read_text() == "mine"


def test_a_folder_with_an_experiment_s_file_is_no_run(tmp_path: Path) -> None:
    settings, cohort = tmp_path / "experiment.toml", tmp_path / "cohort.parquet"
    settings.write_text('cohort = "cohort.parquet" # mine', encoding="utf-8")
    cohort.write_bytes(b"rows")
    experiment = Experiment(cohort=str(cohort))
    for overwrite in (False, True):
        with pytest.raises(GreenstickError, match="no run folder"):
            open_run(experiment, tmp_path, overwrite=overwrite)
    assert cohort.read_bytes() == b"rows"
    assert settings.read_text(encoding="utf-8").endswith("# mine")


def test_a_run_is_not_made_where_its_cohort_lies(tmp_path: Path) -> None:
    run = open_run(EXPERIMENT, tmp_path / "run", overwrite=False)
    (run / "cohort.parquet").write_bytes(b"rows")
    again = Experiment(cohort=str(run / "cohort.parquet"))
    with pytest.raises(GreenstickError, match="own folder"):
        open_run(again, run.path, overwrite=True)
    assert (run / "cohort.parquet").is_file()


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine", encoding="utf-8")
    for path in (tmp_path / "x", tmp_path / "x" / "run"):
        with pytest.raises(GreenstickError, match="x is a file"):
            open_run(EXPERIMENT, path, overwrite=True)


def test_a_cohort_that_changes_in_between_is_refused(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort.parquet"
    cohort.write_bytes(b"rows")
    run = open_run(Experiment(cohort=str(cohort)), tmp_path / "run", overwrite=False)
    check_cohort(run, cohort)  # nothing was read yet
    note_cohort(run, cohort)
    check_cohort(run, cohort)
    cohort.write_bytes(b"other rows")
    with pytest.raises(GreenstickError, match="has changed") as refusal:
        check_cohort(run, cohort)
    assert "--overwrite" in refusal.value.remedy
    cohort.unlink()
    check_cohort(run, cohort)  # what the run needs of it is in the run


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
