"""How much is worked at a time, where, and how often again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from greenstick.experiments.environment import Hardware
from greenstick.experiments.processes import Processes, places_for
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.workers import Here, Workers


@dataclass(frozen=True)
class Effort:
    """How many fits at a time, where, and how often again.

    Attributes
    ----------
    jobs
        Side by side on this machine; 0: one a GPU, else one for each two cores.
    retries
        How often a failed one is tried again.
    hardware
        Of each.
    """

    jobs: int = 0
    retries: int = 1
    hardware: Hardware = field(default_factory=Hardware)


PLAIN_EFFORT = Effort()


@contextmanager
def hire(run: RunFolder, jobs: int, effort: Effort, console: Console) -> Iterator[Workers]:
    """Yield who does the jobs: this process where one at a time is enough, else several."""
    places = places_for(jobs, effort.jobs, effort.hardware)
    workers: Workers = (
        Processes(run, places, effort.hardware)
        if places > 1
        else Here(run, effort.hardware, console)
    )
    try:
        yield workers
    finally:
        workers.close()
