"""How much is worked at a time, where, and how often again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rich.console import Console

from greenstick.experiments.environment import Hardware
from greenstick.experiments.jobs import Job
from greenstick.experiments.on_ray import OnRay
from greenstick.experiments.processes import Processes, places_for
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.workers import Here, Workers, do_jobs


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
    ray
        Address of a Ray cluster that does them instead; empty: this machine does.
    """

    jobs: int = 0
    retries: int = 1
    hardware: Hardware = field(default_factory=Hardware)
    ray: str = ""


PLAIN_EFFORT = Effort()


@dataclass(frozen=True, eq=False)
class Crew:
    """Who does the jobs of a run, and how often again."""

    run: RunFolder
    workers: Workers
    retries: int
    console: Console

    def do(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Do jobs; returns those that failed for good, each with its reason."""
        return do_jobs(self.run, jobs, self.workers, retries=self.retries, console=self.console)


@contextmanager
def hire(run: RunFolder, jobs: int, effort: Effort, console: Console) -> Iterator[Crew]:
    """Yield who does the jobs: this process where one at a time is enough, else several.

    Parameters
    ----------
    jobs
        How many there may be at a time.
    """
    workers = _workers(run, jobs, effort, console)
    try:
        yield Crew(run, workers, effort.retries, console)
    finally:
        workers.close()


def _workers(run: RunFolder, jobs: int, effort: Effort, console: Console) -> Workers:
    if effort.ray:
        return OnRay(run, effort.ray, effort.jobs, effort.hardware)
    places = places_for(jobs, effort.jobs, effort.hardware)
    if places > 1:
        return Processes(run, places, effort.hardware)
    hardware = effort.hardware
    if jobs > 1 and hardware.single:
        hardware = replace(hardware, devices="1")  # several devices are for one fit alone
    return Here(run, hardware, console)
