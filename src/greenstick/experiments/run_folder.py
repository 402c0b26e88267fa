"""The run folder: what lies where, and how it gets there whole."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from greenstick.errors import GreenstickError
from greenstick.experiments.experiment import Experiment, read_experiment, write_experiment
from greenstick.files import write_text, write_whole

_OPENED, _COHORT = "test-opened.txt", "cohort.txt"


@dataclass(frozen=True)
class RunFolder:
    """Names of everything in a run folder (documented in ``docs/architecture.md``)."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def begun(self) -> bool:
        """Whether a run was begun here: a file of an experiment may lie in any folder."""
        work = (self / "fits").is_dir() or (self / "evidence.json").is_file()
        return work and (self / "experiment.toml").is_file()

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end, with nothing left to do."""
        return (self / "evidence.json").is_file() and not (self / "fits").is_dir()

    def remove_work(self) -> None:
        """Remove what was only needed while the run was unfinished."""
        if (self / "fits").is_dir():
            # Out of the way first: a run whose work is half removed is finished all the same.
            (self / "fits").replace(self / ".fits")
        shutil.rmtree(self / ".fits", ignore_errors=True)

    def model(self, name: str) -> Path:
        """Return the folder of a fit's Checkpoint."""
        return self / "models" / name

    def work(self, name: str) -> Path:
        """Return the folder of a job; removed when the run is finished."""
        return self / "fits" / name

    def table(self, name: str) -> pl.DataFrame:
        """Read one of the run's tables by its name without the ending."""
        return pl.read_parquet(self / f"{name}.parquet")


def open_run(experiment: Experiment, path: Path, *, overwrite: bool) -> RunFolder:
    """Make a run folder, or go on in one that was interrupted.

    Raises
    ------
    GreenstickError
        Where the folder holds a finished run, another experiment, the cohort, or something else
        altogether.
    """
    run = RunFolder(path)
    settings = run / "experiment.toml"
    _refuse_what_is_not_ours(run, experiment)
    if overwrite and run.begun:
        _remove_run(run)
    if run.finished:
        report = "" if (run / "report.html").is_file() else f"'greenstick report {path}' shows it. "
        raise GreenstickError(
            f"{path} holds a finished run.",
            remedy=f"{report}Choose another folder, or write over it with --overwrite.",
        )
    if settings.is_file() and read_experiment(settings) != experiment:
        raise GreenstickError(
            f"{path} holds an unfinished run of other settings.",
            remedy="Run it with those, choose another folder, or start again with --overwrite.",
        )
    (run / "fits").mkdir(parents=True, exist_ok=True)
    write_experiment(experiment, settings)
    return run


def _refuse_what_is_not_ours(run: RunFolder, experiment: Experiment) -> None:
    """Keep a run out of folders that hold more than a run, since it may be written over."""
    for place in (run.path, *run.path.parents):
        if place.exists() and not place.is_dir():
            raise GreenstickError(f"{place} is a file.", remedy="Name a folder for the run.")
    names = [file.name for file in run.path.iterdir()] if run.path.is_dir() else []
    # Another process of the same run may be just beginning it.
    others = [name for name in names if name != "fits" and not name.startswith(".")]
    if others and not run.begun:
        raise GreenstickError(
            f"{run.path} is not empty and is no run folder.", remedy="Choose another folder."
        )
    if Path(experiment.cohort).is_relative_to(run.path.resolve()):
        raise GreenstickError(
            f"The cohort lies in {run.path}, the run's own folder.",
            remedy="Choose another folder, or move the cohort.",
        )


def _remove_run(run: RunFolder) -> None:
    for name in ("models", "fits", ".fits", "overlays", "box_overlays", "evidence", "restorers"):
        shutil.rmtree(run / name, ignore_errors=True)
    for file in run.path.iterdir():
        if file.suffix in {".toml", ".parquet", ".json", ".html", ".part"}:
            file.unlink()


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    write_whole(path, table.write_parquet)


def write_json(values: Any, path: Path) -> None:
    """Write plain values as JSON, whole or not at all."""
    write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", path)


def note_cohort(run: RunFolder, cohort: Path) -> None:
    """Keep the digest of the cohort's file, by which a run that goes on knows it again."""
    write_text(_digest(cohort), run.work(_COHORT))


def check_cohort(run: RunFolder, cohort: Path) -> None:
    """Refuse to go on with rows of a cohort that is another one since.

    Raises
    ------
    GreenstickError
        Where its file is there and has changed.
    """
    noted = run.work(_COHORT)
    if noted.is_file() and cohort.is_file() and noted.read_text("utf-8") != _digest(cohort):
        raise GreenstickError(
            f"{cohort} has changed since the run in {run.path} began.",
            remedy="Put it back, choose another folder, or start again with --overwrite.",
        )


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def open_test(run: RunFolder) -> None:
    """Note, once, from when on test rows may be scored: after the last trial of a search."""
    path = run.work(_OPENED)
    if not path.is_file():
        write_text(datetime.now(UTC).isoformat(timespec="seconds"), path)


def opened_test_at(run: RunFolder) -> str:
    """Return the time before which no test row was scored, in UTC."""
    return run.work(_OPENED).read_text(encoding="utf-8")
