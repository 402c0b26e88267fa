"""Jobs on many machines through Ray: the same jobs, in a folder that all machines see."""

import os
from pathlib import Path
from typing import Any

from greenstick.cluster import join_cluster
from greenstick.experiments.environment import Hardware
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.working import work

_CORES_A_JOB = 2
_PATIENCE_SECONDS = 0.2


class OnRay:
    """Tasks of a Ray cluster, one a job.

    Parameters
    ----------
    address
        As :func:`~greenstick.cluster.join_cluster` takes it.
    jobs
        How many at a time; 0: one a GPU of the cluster, else one for each two of its cores.
    """

    def __init__(self, run: RunFolder, address: str, jobs: int, hardware: Hardware) -> None:
        self._ray = join_cluster(address)
        cluster = self._ray.cluster_resources()
        cores, gpus = int(cluster.get("CPU", 1)), int(cluster.get("GPU", 0))
        if hardware.accelerator == "cpu":
            gpus = 0
        self.places = jobs or gpus or max(1, cores // _CORES_A_JOB)
        share = max(1, cores // self.places)
        needs = {"num_cpus": min(share, _CORES_A_JOB), "num_gpus": 1 if gpus else 0}
        self._task = self._ray.remote(max_retries=0, **needs)(_work)
        self._words = str(Path(run.path).resolve()), hardware.accelerator
        self._running: dict[Any, str] = {}

    def start(self, name: str) -> None:
        """Hand a job to the cluster."""
        self._running[self._task.remote(*self._words, name)] = name

    def ended(self) -> list[tuple[str, str]]:
        """Return the jobs that came to an end, each with how its worker died, if it did."""
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_PATIENCE_SECONDS)
        return [(self._running.pop(task), self._death(task)) for task in ready]

    def close(self) -> None:
        """Break off what still runs, and leave the cluster."""
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._ray.shutdown()

    def _death(self, task: Any) -> str:
        try:
            self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return f"its Ray worker died ({type(error).__name__})"
        return ""


def _work(folder: str, accelerator: str, name: str) -> None:
    """Do a job on whichever machine this is."""
    import torch

    # Ray says how many cores a task may use.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    work(RunFolder(Path(folder)), name, Hardware(accelerator=accelerator))
