"""The run folder: what lies where, and how it gets there whole."""

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

_OPENED = "test-opened.txt"


@dataclass(frozen=True)
class RunFolder:
    """Names of everything in a run folder (documented in ``docs/architecture.md``)."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

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
        Where the folder holds a finished run, another experiment, or something else altogether.
    """
    run = RunFolder(path)
    settings = run / "experiment.toml"
    if path.is_dir() and any(path.iterdir()) and not settings.is_file():
        raise GreenstickError(
            f"{path} is not empty and is no run folder.", remedy="Choose another folder."
        )
    if overwrite and settings.is_file():
        _remove_run(run)
    if run.finished:
        raise GreenstickError(
            f"{path} holds a finished run.",
            remedy="Choose another folder, or write over it with --overwrite.",
        )
    if settings.is_file() and read_experiment(settings) != experiment:
        raise GreenstickError(
            f"{path} holds an unfinished run of other settings.",
            remedy="Run it with those, choose another folder, or start again with --overwrite.",
        )
    path.mkdir(parents=True, exist_ok=True)
    write_experiment(experiment, settings)
    return run


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


def open_test(run: RunFolder) -> None:
    """Note, once, from when on test rows may be scored: after the last trial of a search."""
    path = run.work(_OPENED)
    if not path.is_file():
        write_text(datetime.now(UTC).isoformat(timespec="seconds"), path)


def opened_test_at(run: RunFolder) -> str:
    """Return the time before which no test row was scored, in UTC."""
    return run.work(_OPENED).read_text(encoding="utf-8")
