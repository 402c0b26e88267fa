"""Archives of any size into one Parquet table: in parts, gone on with after any end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Protocol

from greenstick.errors import GreenstickError
from greenstick.reading.archive import Progress, unread_place
from greenstick.reading.finding import walk
from greenstick.reading.reader import Reader, digest_of, find_model
from greenstick.reading.results import Reading
from greenstick.reading.rows import Rows, Summary
from greenstick.reading.runtime import Device


class Crew(Protocol):
    """Whoever reads."""

    #: How many files it is best given at once.
    handful: int

    def read_many(self, paths: Iterable[Path]) -> Iterator[Reading]:
        """Yield one reading of each file, in any order."""
        ...


class OnThisMachine(AbstractContextManager["OnThisMachine"]):
    """Reads with the processes and threads of this machine."""

    handful = 1000

    def __init__(
        self,
        folder: Path,
        accept: Sequence[str],
        boxes_from: Path | None,
        region_from: Path | str | None,
        threads: int,
        device: Device,
    ) -> None:
        self._reader = Reader(
            folder,
            threads=threads,
            accept=accept,
            boxes_from=boxes_from,
            region_from=region_from,
            isolated=True,
            device=device,
            tuned=True,
        )

    def read_many(self, paths: Iterable[Path]) -> Iterator[Reading]:
        """Yield readings in the files' order."""
        return self._reader.read_many(paths)

    def __exit__(self, *_: object) -> None:
        self._reader.close()


def read_archive(
    paths: Sequence[Path | str],
    model: Path | str,
    table: Path | str,
    *,
    accept: Sequence[str] = (),
    boxes_from: Path | None = None,
    region_from: Path | str | None = None,
    threads: int = 0,
    device: Device = "cpu",
    ray: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Read any number of files into one Parquet table, a row a file.

    Memory does not grow with their number. While the table is not finished, its rows are kept in
    parts beside it, each of them whole; whatever ends the call, the same call goes on. A file that
    this model has read is not read again: neither the same file, unchanged in size and time, nor
    another of the same content, whose row is copied.

    Parameters
    ----------
    paths
        As for :func:`greenstick.reading.finding.walk`.
    model
        A model folder, or a run folder that holds one.
    table
        The ``.parquet`` file.
    accept
        Modalities to read besides plain radiography's.
    boxes_from
        A detector's folder, whose boxes are shown.
    region_from
        What says where to look, as for :class:`~greenstick.reading.reader.Reader`.
    threads
        How many to use on this machine; 0: all cores.
    device
        What the network runs on, on this machine.
    ray
        Address of a Ray cluster that reads (``"local"``, ``"auto"``, ``"ray://host:10001"``); its
        machines must see the files and the model at the same paths. Empty: this machine alone.
    progress
        Called with (done, all).

    Raises
    ------
    GreenstickError
        Where there is no model, or nothing to read, or Ray is wanted and not installed.
    """
    start, folder = monotonic(), find_model(Path(model))
    rows = Rows(Path(table), digest_of(folder, boxes_from, region_from))
    unreadable: list[tuple[Path, str]] = []
    total = sum(1 for _ in walk(paths, unreadable))
    if not total and not unreadable:
        raise GreenstickError("There are no files to read.", remedy="Give files or full folders.")
    unreadable.clear()
    crew_of: Callable[..., AbstractContextManager[Crew]]
    crew_of = _on_ray(ray) if ray else partial(OnThisMachine, threads=threads, device=device)
    with crew_of(folder, accept, boxes_from, region_from) as crew, rows:
        files, done = walk(paths, unreadable), 0
        while handful := list(islice(files, crew.handful)):
            for _ in _read(handful, rows, crew):
                done += 1
                if progress is not None:
                    progress(done, total)
        for place, why in unreadable:
            rows.add(replace(unread_place(place, why), model_digest=rows.digest))
    return rows.finish(seconds=monotonic() - start)


def _read(handful: list[Path], rows: Rows, crew: Crew) -> Iterator[Path]:
    """See to it that each file has a row; yield each that is done."""
    left = []
    for path in handful:
        if rows.has(path):
            yield path
        elif (copied := rows.of_same_content(path)) is not None:
            rows.add(copied)
            yield path
        else:
            left.append(path)
    for reading in crew.read_many(left) if left else ():
        rows.add(reading)
        yield Path(reading.path)


def _on_ray(address: str) -> Callable[..., AbstractContextManager[Crew]]:
    from greenstick.reading.on_ray import OnRay  # an extra, and slow to import

    return partial(OnRay, address=address)
