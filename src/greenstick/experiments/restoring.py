"""The restorer of a patch residual network: trained once on a fold's healthy images, then kept."""

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.pixels import default_cache
from greenstick.errors import GreenstickError
from greenstick.experiments.jobs import Job
from greenstick.experiments.pixels import Pixels
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.findings import Finding, Severity
from greenstick.models.patch_checkpoint import load_restorer
from greenstick.models.patch_restorer import Restorer
from greenstick.training.keeper import HISTORY, TrainingProgress
from greenstick.training.restorer import fit_restorer, judge

#: In a run folder: one folder a restorer, with its course and a picture of how it ended.
RESTORERS = "restorers"
_PICTURE = "restored.png"
#: Raise this whenever the restorer or its training changes: older ones are then trained anew.
_FORMAT = 1
#: Progress is measured on so many healthy validation images at most.
_MOST_HELD_BACK = 200


def restorer_jobs(jobs: Sequence[Job], cohort: Cohort) -> list[Job]:
    """Return the jobs that train what other jobs' networks need, each restorer once.

    Networks that differ in anything but the restorer, its training, its seed and the healthy rows
    share one.
    """
    healthy = cohort.table.filter(pl.col("label") == 0)["image"].implode()
    found: dict[str, Job] = {}
    for job in jobs:
        if job.settings.model.needs_restorer is None:
            continue
        rows = job.images.filter(pl.col("split") != "test", pl.col("image").is_in(healthy))
        name = f"restorer-{_digest(job, rows)[:12]}"
        settings = job.settings.model_copy(update={"name": name, "keep": "restorer", "rivals": ()})
        found.setdefault(name, Job(settings, rows))
    return list(found.values())


def restorer_for(
    job: Job,
    train: pl.DataFrame,
    valid: pl.DataFrame,
    pixels: Pixels,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> Restorer | None:
    """Return the restorer that a job's network needs; None where it needs none.

    It learns from the healthy images of the training rows alone. It is kept in the cache by what
    decides it, so that an experiment that changes nothing but the network after it takes it from
    there; a training that was stopped goes on.

    Parameters
    ----------
    train, valid
        The job's rows of the cohort.

    Raises
    ------
    GreenstickError
        Where there are no healthy images, or they show nothing.
    """
    settings, recipe = job.settings.model.needs_restorer, job.settings.restoring
    if settings is None:
        return None
    healthy, held_back = (pixels.keys_of(rows.filter(pl.col("label") == 0))
                          for rows in (train, valid))  # fmt: skip
    if not held_back:
        raise GreenstickError(
            "There are no healthy validation images to measure a restorer on.",
            remedy="Split the cohort so that some have label 0.",
        )
    folder = _folder(job, healthy, held_back)
    if not (folder / HISTORY).is_file():
        fitted = fit_restorer(
            pixels.store,
            healthy,
            held_back[:_MOST_HELD_BACK],
            recipe,
            settings,
            folder,
            seed=job.settings.seed,
            resume=True,
            progress=None if progress is None else tell_steps(progress, recipe.batch),
        )
        write_table(fitted.history, folder / HISTORY)
    return load_restorer(folder)


def show_restorer(run: RunFolder, job: Job, train: pl.DataFrame, valid: pl.DataFrame,
                  pixels: Pixels) -> None:  # fmt: skip
    """Put the course of a restorer that is trained, and its last picture, into the run folder."""
    keys = [pixels.keys_of(rows.filter(pl.col("label") == 0)) for rows in (train, valid)]
    folder, shown = _folder(job, *keys), run / RESTORERS / job.name
    shown.mkdir(parents=True, exist_ok=True)
    shutil.copy2(max(folder.glob("restored-*.png")), shown / _PICTURE)
    shutil.copy2(folder / HISTORY, shown / HISTORY)


def restored_findings(run: RunFolder) -> list[Finding]:
    """Return what is to be known of a run's restorers; nothing where all of them learned."""
    found: dict[str, Finding] = {}
    for path in sorted((run / RESTORERS).glob(f"*/{HISTORY}")):
        for finding in judge(pl.read_parquet(path)):
            if finding.severity is not Severity.PASSED:
                found.setdefault(finding.code, finding)
    return list(found.values())


def _folder(job: Job, healthy: Sequence[bytes], held_back: Sequence[bytes]) -> Path:
    digest = hashlib.blake2b(_facts(job), digest_size=16)
    for keys in (healthy, held_back):
        digest.update(b"|" + b"".join(keys))
    return default_cache() / RESTORERS / digest.hexdigest()


def _digest(job: Job, healthy: pl.DataFrame) -> str:
    digest = hashlib.blake2b(_facts(job), digest_size=16)
    digest.update(healthy.select("image", "split").write_csv().encode())
    return digest.hexdigest()


def _facts(job: Job) -> bytes:
    """Return what decides a restorer besides its images."""
    settings = job.settings
    assert settings.model.restorer is not None
    told = settings.model.restorer.model_dump_json() + settings.restoring.model_dump_json()
    return f"{_FORMAT} {told} {settings.recipe.canvas_px} {settings.seed}".encode()


def tell_steps(
    progress: Callable[[TrainingProgress], None], batch: int
) -> Callable[[int, int], None]:
    """Return what tells of steps done, (done, all), as a training tells of one epoch.

    Steps that were done before an interruption took no time now; steps that are counted anew are
    another course.
    """
    start, first, before = time.perf_counter(), 0, 0

    def tell(done: int, steps: int) -> None:
        nonlocal start, first, before
        if not first or done <= before:
            start, first = start if not first else time.perf_counter(), done
        before = done
        each = (time.perf_counter() - start) / (done - first + 1)
        progress(
            TrainingProgress(
                0, 1, done, steps, batch / max(each, 1e-9), each * (steps - done), float("nan")
            )
        )

    return tell
