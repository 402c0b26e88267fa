"""Archives of any size into one Parquet table: in parts, gone on with after any end."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Protocol, Unpack

from greenstick.errors import GreenstickError
from greenstick.reading.archive import Progress, unread_place
from greenstick.reading.finding import walk
from greenstick.reading.options import ReaderOptions
from greenstick.reading.reader import Reader, digest_of, find_model
from greenstick.reading.results import Reading
from greenstick.reading.rows import Rows, Summary


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

    def __init__(self, folder: Path, options: ReaderOptions) -> None:
        self._reader = Reader(folder, isolated=True, tuned=True, **options)

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
    ray: str = "",
    progress: Progress | None = None,
    **options: Unpack[ReaderOptions],
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
    ray
        Address of a Ray cluster that reads (``"local"``, ``"auto"``, ``"ray://host:10001"``); its
        machines must see the files and the model at the same paths. Empty: this machine alone.
    progress
        Called with (done, all).
    options
        Of the reader. On a cluster each reads with one thread, on the CPU.

    Raises
    ------
    GreenstickError
        Where there is no model, or nothing to read, or Ray is wanted and not installed.
    """
    start, folder = monotonic(), find_model(Path(model))
    digest = digest_of(folder, options.get("boxes_from"), options.get("region_from"))
    rows = Rows(Path(table), digest)
    unreadable: list[tuple[Path, str]] = []
    total = sum(1 for _ in walk(paths, unreadable))
    if not total and not unreadable:
        raise GreenstickError("There are no files to read.", remedy="Give files or full folders.")
    unreadable.clear()
    opened = _on_ray(folder, options, ray) if ray else OnThisMachine(folder, options)
    with opened as crew, rows:
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


def _on_ray(folder: Path, options: ReaderOptions, address: str) -> AbstractContextManager[Crew]:
    from greenstick.reading.on_ray import OnRay  # an extra, and slow to import

    return OnRay(folder, options, address)
