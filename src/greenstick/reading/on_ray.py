"""Reading spread over many machines by Ray Data. An extra: ``pip install 'greenstick[ray]'``."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from greenstick.cluster import join_cluster
from greenstick.reading.options import ReaderOptions
from greenstick.reading.reader import Reader
from greenstick.reading.region import IS_IMAGE
from greenstick.reading.results import Reading

_READING = TypeAdapter(Reading)
_FILES_A_BATCH = 32


class OnRay(AbstractContextManager["OnRay"]):
    """Reads with the machines of a Ray cluster, one reader a core.

    Parameters
    ----------
    folder, options
        As for :class:`~greenstick.reading.reader.Reader`; folders are seen by all machines.
    address
        ``"local"`` for a cluster of this machine alone.
    """

    handful = 100_000

    def __init__(self, folder: Path, options: ReaderOptions, address: str) -> None:
        self._folder = str(folder.resolve())
        self._options = _anywhere(options)
        self._address = address

    def __enter__(self) -> "OnRay":
        self._ray = join_cluster(self._address)
        from ray import data

        self._data = data
        data.DataContext.get_current().enable_progress_bars = False
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def read_many(self, paths: Iterable[Path]) -> Iterator[Reading]:
        """Yield readings as the machines finish them."""
        names = {str(path.absolute()): str(path) for path in paths}
        files = self._data.from_items([{"path": path} for path in names])
        resources: dict[str, float] = self._ray.cluster_resources()
        cores = int(resources.get("CPU", 1))
        read = files.map_batches(
            _Machine,
            fn_constructor_args=(self._folder, self._options),
            batch_size=_FILES_A_BATCH,
            concurrency=(1, max(1, cores)),
            num_cpus=1,
        )
        for row in read.iter_rows():
            reading = _READING.validate_json(row["reading"])
            yield replace(reading, path=names[reading.path])


class _Machine:
    """A reader on one of the cluster's cores."""

    def __init__(self, folder: str, options: ReaderOptions) -> None:
        self._reader = Reader(folder, isolated=True, **options)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        readings = self._reader.read_many(str(path) for path in batch["path"])
        return {"reading": [_READING.dump_json(reading).decode() for reading in readings]}


def _anywhere(options: ReaderOptions) -> ReaderOptions:
    """Return options for one core of any machine: whole paths, one thread."""
    boxes, region = options.get("boxes_from"), options.get("region_from")
    return ReaderOptions(
        threads=1,
        accept=tuple(options.get("accept", ())),
        boxes_from=None if boxes is None else str(Path(boxes).resolve()),
        region_from=region if region in (None, IS_IMAGE) else str(Path(region).resolve()),
    )
