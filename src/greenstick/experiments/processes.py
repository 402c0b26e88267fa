"""Jobs side by side on this machine: a process a place, with its share of threads, or its GPU."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import torch

from greenstick.experiments.environment import Hardware
from greenstick.experiments.run_folder import RunFolder

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CORES_A_JOB = 2
_PATIENCE_SECONDS = 0.2
WORKER_LOG = "worker-{number}.txt"


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def gpus(hardware: Hardware) -> list[str]:
    """Return what to call each GPU that jobs may use; none on a CPU."""
    if hardware.accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


def places_for(jobs: int, wanted: int, hardware: Hardware) -> int:
    """Return how many jobs to run side by side.

    Parameters
    ----------
    jobs
        How many there are.
    wanted
        How many the user asked for; 0: one a GPU, else one for each two cores.
    hardware
        A job that takes several devices or nodes has them to itself.
    """
    if not hardware.single:
        return 1
    most = wanted or len(gpus(hardware)) or cores() // _CORES_A_JOB
    return max(1, min(most, jobs))


@dataclass(eq=False)
class _Place:
    number: int
    process: "subprocess.Popen[str]"
    listener: Thread | None = None


class Processes:
    """Processes that each do one job after the other.

    One that dies is replaced; its job may then be given out again.
    """

    def __init__(self, run: RunFolder, places: int, hardware: Hardware) -> None:
        self.places = places
        self._run, self._hardware = run, hardware
        self._gpus = gpus(hardware)
        self._free = list(range(places))[::-1]
        self._idle: dict[int, _Place] = {}
        self._busy: dict[str, _Place] = {}
        self._ended: SimpleQueue[tuple[str, str]] = SimpleQueue()

    def start(self, name: str) -> None:
        """Hand a job to an idle process, or to a new one."""
        number = self._free.pop()
        place = self._idle.pop(number, None) or _Place(number, self._hire(number))
        self._busy[name] = place
        place.listener = Thread(target=self._await, args=(name, place), daemon=True)
        place.listener.start()

    def ended(self) -> list[tuple[str, str]]:
        """Return the jobs that came to an end, each with how its process died, if it did."""
        try:
            name, death = self._ended.get(timeout=_PATIENCE_SECONDS)
        except Empty:
            return []
        place = self._busy.pop(name)
        self._free.append(place.number)
        if death:
            _end(place)
        else:
            self._idle[place.number] = place
        return [(name, death)]

    def close(self) -> None:
        """End all processes; a training that is broken off goes on from its last epoch later."""
        for place in (*self._idle.values(), *self._busy.values()):
            place.process.kill()
            _end(place)

    def _await(self, name: str, place: _Place) -> None:
        process = place.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (OSError, ValueError):  # the pipe is broken, or closed in the end
            answer = ""
        self._ended.put((name, "" if answer else _death(process)))

    def _hire(self, number: int) -> "subprocess.Popen[str]":
        environment = dict(os.environ)
        share = str(max(1, cores() // self.places))
        environment |= {name: environment.get(name, share) for name in _THREADS}
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[number % len(self._gpus)]
        log = self._run.work(WORKER_LOG.format(number=number))
        with log.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "greenstick.experiments.worker", *self._words()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                start_new_session=True,  # Ctrl-C is answered here, not in each
            )

    def _words(self) -> list[str]:
        return [str(Path(self._run.path).resolve()), self._hardware.accelerator]


def _end(place: _Place) -> None:
    """Wait for a process that ends, and let go of its pipes."""
    place.process.wait()
    if place.listener is not None:
        place.listener.join()
    for pipe in (place.process.stdin, place.process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _death(process: "subprocess.Popen[str]") -> str:
    code = process.wait()
    return f"its process was killed (signal {-code})" if code < 0 else f"its process ended ({code})"
