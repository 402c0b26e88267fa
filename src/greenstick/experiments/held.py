"""A folder that one process works in at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from greenstick.errors import GreenstickError
from greenstick.experiments.environment import is_main_process


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's or a detector's folder, by a file beside it.

    Killed, a process lets go of it. The further processes of one DDP run share what their first
    one holds. Where a file system knows no locks, or forbids a file there, nothing is held.

    Raises
    ------
    GreenstickError
        Where another process works in the folder.
    """
    place = folder.resolve()
    lock = FileLock(place.with_name(f".{place.name}.lock"), blocking=False)
    try:
        if is_main_process():
            place.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout:
        raise GreenstickError(
            f"Another process works in {folder}.",
            remedy="Wait for it or stop it, or choose another folder with -o.",
        ) from None
    except (OSError, NotImplementedError):
        pass  # what else is wrong with the place is told where it is written to
    try:
        yield
    finally:
        lock.release()
