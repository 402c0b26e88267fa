"""Jobs done one after the other or side by side, each failure reported and tried again."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console

from greenstick.experiments.bars import JobTable, job_table, training_bar
from greenstick.experiments.environment import Hardware, is_main_process
from greenstick.experiments.jobs import (
    Failed,
    Job,
    read_done,
    read_failed,
    read_standing,
    write_job,
)
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.working import work


class Workers(Protocol):
    """Who does jobs: this process, others, or other machines."""

    @property
    def places(self) -> int:
        """How many jobs may run at a time."""
        ...

    def start(self, name: str) -> None:
        """Begin a job; never called with more jobs than there are places."""
        ...

    def ended(self) -> list[tuple[str, str]]:
        """Return the jobs that came to an end, each with how its worker died, if it did.

        Waits for one, a fraction of a second at most.
        """
        ...

    def close(self) -> None:
        """Let go of everything; jobs that still run are broken off."""
        ...


class Here:
    """The process itself, one job after the other."""

    places = 1

    def __init__(self, run: RunFolder, hardware: Hardware, console: Console) -> None:
        self._run, self._hardware, self._console = run, hardware, console
        self._ended: list[tuple[str, str]] = []

    def start(self, name: str) -> None:
        """Do the job."""
        with training_bar(self._console, name) as progress:
            work(self._run, name, self._hardware, progress)
        self._ended.append((name, ""))

    def ended(self) -> list[tuple[str, str]]:
        """Return the job that was done last."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Let go of nothing."""


def do_jobs(
    run: RunFolder, jobs: Sequence[Job], workers: Workers, *, retries: int, console: Console
) -> dict[str, str]:
    """Do jobs, those that are done already excepted.

    Returns
    -------
    dict
        The jobs that failed for good, each with its reason.

    Raises
    ------
    Stopped
        Where the user stopped it; what was finished is kept.
    """
    waiting = [job for job in jobs if read_done(run, job) is None]
    for job in waiting:
        write_job(run, job)
    with job_table(console, len(jobs), len(jobs) - len(waiting), live=workers.places > 1) as table:
        shift = _Shift(run, waiting, workers, retries, table)
        while not shift.over:
            shift.begin()
            shift.look()
    return shift.failed


class _Shift:
    """Who waits, who works, who failed."""

    def __init__(
        self, run: RunFolder, jobs: list[Job], workers: Workers, retries: int, table: JobTable
    ) -> None:
        self.failed: dict[str, str] = {}
        self._run, self._workers, self._retries, self._table = run, workers, retries, table
        self._jobs = {job.name: job for job in jobs}
        self._waiting = deque(self._jobs)
        self._running: set[str] = set()
        self._tries: Counter[str] = Counter()

    @property
    def over(self) -> bool:
        return not self._waiting and not self._running

    def begin(self) -> None:
        while self._waiting and len(self._running) < self._workers.places:
            name = self._waiting.popleft()
            self._running.add(name)
            self._tries[name] += 1
            self._workers.start(name)

    def look(self) -> None:
        for name, death in self._workers.ended():
            self._running.discard(name)
            failure = self._failure(name, death)
            if failure is None:
                self._table.tell_done(name)
                continue
            again = not failure.final and self._tries[name] <= self._retries
            self._table.tell_failed(name, failure.reason, again=again)
            if again:
                write_job(self._run, self._jobs[name])
                self._waiting.append(name)
            else:
                self.failed[name] = failure.reason
        self._table.show({name: read_standing(self._run, name) for name in self._running})

    def _failure(self, name: str, death: str) -> Failed | None:
        if read_done(self._run, self._jobs[name]) is not None or not is_main_process():
            return None
        told = read_failed(self._run, name)
        return told or Failed(reason=death or "it ended without a result", final=False)
