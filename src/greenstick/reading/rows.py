"""The rows of a table that is being read: in whole parts on disk, and known again."""

import shutil
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from greenstick import RESEARCH_USE
from greenstick.files import copy_whole, write_whole
from greenstick.reading.preparing import checksum_of
from greenstick.reading.results import COLUMNS, Reading, shown

#: A part is written when it has so many rows, or after so many seconds.
PART_ROWS, PART_SECONDS = 1000, 30.0
_NUMBERS = ("probability", "low", "high", "threshold", "best_box", "peak_x", "peak_y", "seconds")
_SIDES = dict.fromkeys(("x", "y", "width", "height", "probability"), pl.Float64)
_BOX = pl.Struct({**_SIDES, "class_name": pl.String})
_KINDS: dict[str, Any] = {
    **dict.fromkeys(COLUMNS, pl.String),
    **dict.fromkeys(_NUMBERS, pl.Float64),
    **dict.fromkeys(("width", "height"), pl.Int32),
    "region": pl.Struct(dict.fromkeys(("x", "y", "width", "height"), pl.Int32)),
    "warnings": pl.List(pl.String),
    "boxes": pl.List(_BOX),
    "classes": pl.List(pl.Struct({"name": pl.String, "probability": pl.Float64})),
    "bytes": pl.Int64,
    "modified_ns": pl.Int64,
    "research_use": pl.String,
}
_SHOWN_REASONS = 8
#: Rows that the table is written in at a time.
_GROUP_ROWS = 10_000


@dataclass(frozen=True)
class Summary:
    """What became of an archive.

    Attributes
    ----------
    table
        The Parquet table, a row a file.
    not_read_list
        A CSV of the files that were not read, each with its reason.
    files, not_read
        How many files have a row, and how many of these were not read, earlier calls included.
    reasons
        The most frequent reasons, without the files' names: (reason, how many).
    new, seconds
        How many files this call looked at, and how long it took.
    """

    table: Path
    not_read_list: Path
    files: int
    not_read: int
    reasons: list[tuple[str, int]]
    new: int
    seconds: float


class Rows:
    """The rows of one table; as a context, what is not yet written is written at its end.

    Parameters
    ----------
    table
        The Parquet file to be. Where there is one, its rows are kept.
    digest
        Of the model: rows of other models are kept, and are not its own.
    """

    def __init__(self, table: Path, digest: str) -> None:
        self.table, self.digest = table, digest
        self.parts = table.with_suffix(".parts")
        self.new = 0
        self._rows: list[dict[str, Any]] = []
        self._due = monotonic() + PART_SECONDS
        if table.is_file() and not self.parts.is_dir():
            copy_whole(table, self._part(0))
        self._number = max((int(p.stem[5:]) for p in self.parts.glob("part-*.parquet")), default=-1)
        self._load()

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def has(self, path: Path) -> bool:
        """Say whether the model has a row of this file, as it is now."""
        key = _hash(shown(path))
        place = int(np.searchsorted(self._paths, key))
        if place == len(self._paths) or self._paths[place] != key:
            return False
        size, modified = _stamp(path)
        return bool(self._stamps[place] == _hash(f"{size} {modified}"))

    def of_same_content(self, path: Path) -> Reading | None:
        """Return the reading of another file of the same content, as this one's."""
        if not len(self._contents):
            return None
        try:
            checksum = checksum_of(path)
        except OSError:
            return None
        key = _hash(checksum)
        place = int(np.searchsorted(self._contents, key))
        if place == len(self._contents) or self._contents[place] != key:
            return None
        mine = (pl.col("checksum") == checksum) & (pl.col("model_digest") == self.digest)
        rows = self._scan().filter(mine).head(1).select(COLUMNS).collect().to_dicts()
        if not rows:
            return None
        known = {name: value for name, value in rows[0].items() if value is not None}
        return replace(TypeAdapter(Reading).validate_python(known), path=str(path))

    def add(self, reading: Reading) -> None:
        """Add a row."""
        size, modified = _stamp(Path(reading.path))
        row = asdict(reading) | {"path": shown(reading.path), "reason": shown(reading.reason)}
        self._rows.append(
            row | {"bytes": size, "modified_ns": modified, "research_use": RESEARCH_USE}
        )
        self.new += 1
        if len(self._rows) >= PART_ROWS or monotonic() >= self._due:
            self._write()

    def finish(self, *, seconds: float) -> Summary:
        """Put the parts together as the table, and return what is in it."""
        self._write()
        # Groups are put together in memory: the default ones would hold a whole archive.
        write_whole(self.table, partial(self._latest().sink_parquet, row_group_size=_GROUP_ROWS))
        shutil.rmtree(self.parts, ignore_errors=True)
        return self._summary(seconds)

    def _summary(self, seconds: float) -> Summary:
        mine = pl.scan_parquet(self.table).filter(pl.col("model_digest") == self.digest)
        unread = mine.filter(pl.col("status") == "not read").select("path", "reason")
        listed = self.table.with_suffix(".not-read.csv")
        write_whole(listed, unread.sink_csv)
        name = pl.col("path").str.split("/").list.last()
        why = pl.col("reason").str.strip_prefix(name).str.strip_chars(": ")
        counts = unread.group_by(why.alias("why")).len().sort("len", descending=True).collect()
        return Summary(
            self.table,
            listed,
            files=mine.select(pl.len()).collect().item(),
            not_read=int(counts["len"].sum()),
            reasons=list(counts.head(_SHOWN_REASONS).iter_rows()),
            new=self.new,
            seconds=seconds,
        )

    def _load(self) -> None:
        empty = np.zeros(0, np.uint64)
        self._paths, self._stamps, self._contents = empty, empty, empty
        if self._number < 0:
            return
        mine = (
            self._scan()
            .filter(pl.col("model_digest") == self.digest)
            .select("path", "bytes", "modified_ns", "checksum", "status")
            .collect()
        )
        paths = np.array([_hash(path) for path in mine["path"]], np.uint64)
        stamps = [_hash(f"{size} {at}") for size, at in mine.select("bytes", "modified_ns").rows()]
        # The last row of a path counts: stable, from the end.
        order = np.argsort(paths[::-1], kind="stable")
        self._paths, first = np.unique(paths[::-1][order], return_index=True)
        self._stamps = np.array(stamps, np.uint64)[::-1][order][first]
        read = mine.filter((pl.col("status") == "read") & (pl.col("checksum") != ""))
        self._contents = np.unique(np.array([_hash(c) for c in read["checksum"]], np.uint64))

    def _write(self) -> None:
        if self._rows:
            part = pl.DataFrame(self._rows, schema=_KINDS)
            self._number += 1
            write_whole(self._part(self._number), part.write_parquet)
            self._rows = []
        self._due = monotonic() + PART_SECONDS

    def _scan(self) -> pl.LazyFrame:
        parts: list[Path] = sorted(self.parts.glob("part-*.parquet"))
        if not parts:
            return pl.LazyFrame(schema=_KINDS)
        # The first part may be the table of an earlier version, which knew fewer columns.
        return pl.scan_parquet(
            parts,
            schema=_KINDS,
            missing_columns="insert",
            cast_options=pl.ScanCastOptions(missing_struct_fields="insert"),
        )

    def _latest(self) -> pl.LazyFrame:
        """Return the rows, of each path and model the last alone.

        What is kept in memory is a number a row; the rows themselves pass through.
        """
        key = pl.struct("path", "model_digest").hash(seed=0)
        keys = self._scan().select(key.alias("key")).with_row_index("row").collect()
        older = keys.filter(pl.col("key").is_duplicated() & ~pl.col("key").is_last_distinct())
        if older.is_empty():
            return self._scan()
        left = ~pl.col("row").is_in(older["row"].implode())
        return self._scan().with_row_index("row").filter(left).drop("row")

    def _part(self, number: int) -> Path:
        return self.parts / f"part-{number:06d}.parquet"


def _stamp(path: Path) -> tuple[int, int]:
    try:
        now = path.stat()
    except OSError:
        return -1, -1
    return now.st_size, now.st_mtime_ns


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
