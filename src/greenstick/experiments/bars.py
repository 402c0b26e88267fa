"""Progress bars for the long stages of a run, and a table of its jobs."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:  # a reader's bar needs no torch
    from greenstick.experiments.jobs import Standing
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
def training_bar(
    console: Console, title: str, *, figure: str = "AUROC"
) -> Iterator[Callable[["TrainingProgress"], None]]:
    """Show where a training stands: epoch, images/s, the best of a figure, time left."""
    columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.fields[where]}"))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(title, total=None, where="starting")

        def advance(now: "TrainingProgress") -> None:
            best = "" if math.isnan(now.best_auroc) else f", best {figure} {now.best_auroc:.3f}"
            left = str(timedelta(seconds=round(now.seconds_left)))
            shown.update(
                task,
                completed=now.epoch * now.steps + now.step,
                total=now.epochs * now.steps,
                where=f"epoch {now.epoch + 1}/{now.epochs}, {now.images_per_s:.0f} images/s{best}, "
                f"{left} left",
            )

        yield advance


class JobTable:
    """Which jobs run, how far each is, and how many are done."""

    def __init__(self, console: Console, total: int, done: int, live: Live | None) -> None:
        self._console, self._total, self._live = console, total, live
        self._done = done
        self._failed = 0

    def tell_done(self, name: str) -> None:
        """Say that a job is done."""
        self._done += 1
        self._console.print(f"  {name}: done ({self._done} of {self._total})", highlight=False)

    def tell_failed(self, name: str, reason: str, *, again: bool) -> None:
        """Say that a job failed, and whether it is tried again."""
        self._failed += not again
        then = "it is tried again" if again else "it is left out"
        self._console.print(f"  [yellow]{name} failed: {escape(reason)}; {then}[/yellow]")

    def show(self, running: "Mapping[str, Standing | None]") -> None:
        """Show where the running jobs stand."""
        if self._live is None:
            return
        table = Table("job", "epoch", "best AUROC", box=None, pad_edge=False)
        for name, standing in sorted(running.items()):
            begun = standing is not None and standing.epoch
            epoch = f"{standing.epoch}/{standing.epochs}" if standing and begun else "starting"
            best = standing.valid_auroc if standing else None
            table.add_row(f"  {name}", epoch, "" if best is None else f"{best:.3f}")
        left = self._total - self._done - self._failed - len(running)
        words = f"  {self._done} done, {len(running)} running, {left} waiting"
        table.add_row(words + (f", {self._failed} failed" if self._failed else ""), "", "")
        self._live.update(table)


@contextmanager
def job_table(console: Console, total: int, done: int, *, live: bool) -> Iterator[JobTable]:
    """Show a table of the running jobs, where several run at a time."""
    if not live:
        yield JobTable(console, total, done, None)
        return
    with Live(console=console, transient=True, refresh_per_second=2) as shown:
        yield JobTable(console, total, done, shown)
