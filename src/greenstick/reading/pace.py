"""How many images a call of a network takes, and how many threads: measured once, remembered.

What is quickest depends on the network, the machine and its libraries, and cannot be known before.
"""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np

from greenstick.cohorts.pixels import default_cache
from greenstick.files import write_text
from greenstick.models.card import Precision
from greenstick.reading.runtime import Device, Runtime

FILE = "pace.json"
#: Images a call that are tried; a GPU has room for more.
_TRIED: dict[str, tuple[int, ...]] = {
    "cpu": (1, 2, 4, 8), "onnx": (1, 2, 4, 8), "cuda": (1, 4, 16, 64)
}  # fmt: skip
#: Fewer images a call need less memory and answer sooner: taken where they are nearly as quick.
_NEARLY = 0.95
#: Half of the threads are taken where they are so quick: the others decode meanwhile.
_HALF_IS_ENOUGH = 0.9
_TIMES, _LONGEST_S = 3, 2.0

#: Makes a network for so many images a call and so many threads.
Maker = Callable[[int, int], Callable[[], object]]


@dataclass(frozen=True)
class Pace:
    """How a network is run.

    Attributes
    ----------
    images
        In a call. A film that is looked at in two views takes two calls of one, or one of two.
    threads
        Of the network.
    """

    images: int = 1
    threads: int = 0


def find_pace(
    network: Path,
    digest: str,
    canvas_px: int,
    *,
    threads: int,
    device: Device,
    precision: Precision = "f32",
) -> Pace:
    """Return the quickest pace: the remembered one, else measured in a few seconds.

    Parameters
    ----------
    digest
        Of the model and what it runs on, by which its pace is known again.
    threads
        How many there are.
    precision
        As for :class:`~greenstick.reading.runtime.Runtime`.
    """
    memory = default_cache() / FILE
    library = version("openvino" if device == "cpu" else "onnxruntime")
    key = f"{digest} {device} {threads} {library} {platform.node()} {os.cpu_count()}"
    known = _remembered(memory)
    if key in known:
        return known[key]

    def make(batch: int, own: int) -> Callable[[], object]:
        run = Runtime(
            network, canvas_px, batch=batch, threads=own, device=device, precision=precision
        )
        images = np.zeros((batch, 1, canvas_px, canvas_px), np.float32)
        return lambda: run.values(images)

    pace = measure_pace(make, _TRIED[device], threads)
    _remember(memory, _remembered(memory) | {key: pace})
    return pace


def measure_pace(
    make: Maker, tried: tuple[int, ...], threads: int, clock: Callable[[], float] = perf_counter
) -> Pace:
    """Measure numbers of images a call, and then half of the threads.

    Parameters
    ----------
    make
        Makes what is timed.
    tried
        Numbers of images, growing.
    threads
        How many there are.
    clock
        Tells seconds.
    """
    rates = {images: images / _seconds(make(images, threads), clock) for images in tried}
    best = max(rates.values())
    images = next(images for images in tried if rates[images] >= _NEARLY * best)
    half = (threads + 1) // 2
    if half == threads:
        return Pace(images, threads)
    slower = images / _seconds(make(images, half), clock)
    return Pace(images, half if slower >= _HALF_IS_ENOUGH * rates[images] else threads)


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the shortest of some calls, after one that does not count."""
    call()
    found = []
    for _ in range(_TIMES):
        start = clock()
        call()
        found.append(clock() - start)
        if found[-1] > _LONGEST_S:
            break
    return max(min(found), 1e-9)


def _remembered(memory: Path) -> dict[str, Pace]:
    try:
        said = json.loads(memory.read_text(encoding="utf-8"))
        return {key: Pace(int(one["images"]), int(one["threads"])) for key, one in said.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # nothing is lost but a few seconds


def _remember(memory: Path, paces: dict[str, Pace]) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_text(json.dumps({key: asdict(one) for key, one in paces.items()}, indent=1), memory)
    except OSError:
        return  # a cache that cannot be written to is measured anew
