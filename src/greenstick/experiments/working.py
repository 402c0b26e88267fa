"""A job, done by whoever does it: where it stands is told in files, and so is why it failed."""

import math
import os
import re
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from greenstick.cohorts.cohort import read_cohort
from greenstick.errors import GreenstickError, Stopped
from greenstick.experiments.environment import Hardware
from greenstick.experiments.fitting import do_job
from greenstick.experiments.jobs import FAILED, LOG, STANDING, Failed, Standing, write_record
from greenstick.experiments.run_folder import RunFolder
from greenstick.training.keeper import TrainingProgress

_TELL_EVERY_SECONDS = 1.0
_LONGEST_REASON = 300


def work(
    run: RunFolder,
    name: str,
    hardware: Hardware,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> None:
    """Do a job; a failure is written down, in ``failed.json`` and in full in ``log.txt``.

    Raises
    ------
    Stopped
        Where the user stopped it: that is no failure.
    """
    folder = run.work(name)
    write_record(Standing(pid=os.getpid()), folder / STANDING)
    try:
        do_job(run, name, hardware, _teller(folder, progress))
    except Stopped:
        raise
    except Exception as error:
        reason = without_names(_one_line(error), run)
        _log(error, reason, folder / LOG)
        # What the user must mend fails again; what the machine did may pass.
        failed = Failed(reason=reason, final=isinstance(error, GreenstickError))
        write_record(failed, folder / FAILED)


def _teller(
    folder: Path, also: Callable[[TrainingProgress], None] | None
) -> Callable[[TrainingProgress], None]:
    """Return what tells the progress of a training in its folder, once a second at most."""
    last = [0.0]

    def tell(now: TrainingProgress) -> None:
        if also is not None:
            also(now)
        if time.monotonic() - last[0] < _TELL_EVERY_SECONDS:
            return
        last[0] = time.monotonic()
        best = None if math.isnan(now.best_auroc) else now.best_auroc
        standing = Standing(
            pid=os.getpid(), epoch=now.epoch + 1, epochs=now.epochs, valid_auroc=best
        )
        write_record(standing, folder / STANDING)

    return tell


def _one_line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    kind = "" if isinstance(error, GreenstickError) else f"{type(error).__name__}: "
    return (kind + first)[:_LONGEST_REASON].rstrip(": ")


def _log(error: Exception, reason: str, path: Path) -> None:
    """Write where an error arose; of what it said only the line that names nobody."""
    where = "".join(traceback.format_tb(error.__traceback__))
    with path.open("a", encoding="utf-8") as log:
        log.write(f"{where}{reason}\n\n")


def without_names(text: str, run: RunFolder) -> str:
    """Return text without the names of the cohort's images and patients."""
    table = read_cohort(run / "cohort.parquet").table
    names = {str(patient) for patient in table["patient"].drop_nulls()}
    for image in table["image"]:
        names |= {Path(image).name, Path(image).stem}

    def hide(found: re.Match[str]) -> str:
        return "(hidden)" if found[0] in names else found[0]

    return re.sub(r"[^\s'\"/\\:,;()\[\]]+", hide, text)
