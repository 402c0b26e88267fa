"""A progress bar for the long stages of a run."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from greenstick.training.keeper import TrainingProgress


@contextmanager
def bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with time left while the stage runs; yields ``advance(done, total)``."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def training_bar(console: Console, title: str) -> Iterator[Callable[[TrainingProgress], None]]:
    """Show where a training stands: epoch, images/s, best AUROC, time left."""
    columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.fields[where]}"))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(title, total=None, where="starting")

        def advance(now: TrainingProgress) -> None:
            best = "" if math.isnan(now.best_auroc) else f", best AUROC {now.best_auroc:.3f}"
            left = str(timedelta(seconds=round(now.seconds_left)))
            shown.update(
                task,
                completed=now.epoch * now.steps + now.step,
                total=now.epochs * now.steps,
                where=f"epoch {now.epoch + 1}/{now.epochs}, {now.images_per_s:.0f} images/s{best}, "
                f"{left} left",
            )

        yield advance
