"""Processes that prepare files, so that a file which breaks a decoder costs one process."""

import os
import subprocess
import sys
import weakref
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from time import perf_counter

from greenstick.reading.decode_worker import read_answer, write_request
from greenstick.reading.preparing import Prepared, Wish

#: Enough for the largest film of 16 bits that is read at all, with room for the libraries.
MEMORY_BYTES = 4 * 2**30
#: The largest film takes a few seconds.
SECONDS_A_FILE = 60.0


class Workers:
    """Some processes, started when they are first needed; safe to be asked from many threads.

    Parameters
    ----------
    processes
        How many.
    memory_bytes
        What each may take, where the system can limit it; 0: no limit.
    seconds_a_file
        After these a process is ended, and its file not read.
    """

    def __init__(
        self,
        processes: int,
        *,
        memory_bytes: int = MEMORY_BYTES,
        seconds_a_file: float = SECONDS_A_FILE,
    ) -> None:
        self.lost = 0
        self._memory_bytes, self._seconds = memory_bytes, seconds_a_file
        self._free: SimpleQueue[_Process | None] = SimpleQueue()
        for _ in range(processes):
            self._free.put(None)
        self._running: set[_Process] = set()
        weakref.finalize(self, _end_all, self._running)

    def prepare(self, path: Path, wish: Wish) -> Prepared:
        """Prepare one file in a process that is free; wait for one where none is."""
        start = perf_counter()
        process = self._free.get() or self._start()
        try:
            prepared = process.prepare(path, wish, self._seconds)
        except (OSError, EOFError, ValueError):
            self.lost += 1
            self._end(process)
            self._free.put(None)
            seconds = perf_counter() - start
            late = seconds >= self._seconds
            why = f"took more than {self._seconds:.0f} s" if late else "crashed"
            reason = f"{path.name} is not read: the decoder {why}."
            return Prepared(path, reason, seconds=seconds)
        except BaseException:
            self._end(process)
            self._free.put(None)
            raise
        self._free.put(process)
        return prepared

    def close(self) -> None:
        """End all processes; they start again where they are asked again."""
        _end_all(self._running)

    def _start(self) -> "_Process":
        process = _Process(self._memory_bytes)
        self._running.add(process)
        return process

    def _end(self, process: "_Process") -> None:
        self._running.discard(process)
        process.end()


class _Process:
    def __init__(self, memory_bytes: int) -> None:
        # One thread each: the processes share the cores, and a pool of threads reserves memory.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "greenstick.reading.decode_worker", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | threads,
            start_new_session=True,  # Ctrl-C is for the one that asks
        )

    def prepare(self, path: Path, wish: Wish, seconds: float) -> Prepared:
        """Ask and wait; the process is ended where it takes longer."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        alarm = Timer(seconds, self._popen.kill)
        alarm.daemon = True
        alarm.start()
        try:
            write_request(self._popen.stdin, path, wish)  # type: ignore[arg-type]
            return read_answer(self._popen.stdout, path, wish)  # type: ignore[arg-type]
        finally:
            alarm.cancel()

    def end(self) -> None:
        """End the process."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # a request that it did not take
                    continue


def _end_all(processes: set[_Process]) -> None:
    while processes:
        processes.pop().end()
