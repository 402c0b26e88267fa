"""The pixel store: each radiograph is decoded once, and memory-mapped ever after.

A store is an LMDB file in the cache folder, shared by all experiments of a user. Its keys are
digests of the files' contents, and of the part of the image that is looked at where that is not
all of it, so a file that moves is not decoded again, one that changes is, and nothing depends on
names or times. LMDB lets many processes read while one writes, and a builder that is killed loses
its last batch and nothing else. The cache must lie on a local disk: LMDB's locks do not hold over
a network file system.
"""

import errno
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.files import open_plain
from greenstick.radiographs.canvas import Placement, fit, place
from greenstick.radiographs.opening import open_region
from greenstick.radiographs.region import Region

#: Raise this whenever decoding, :mod:`greenstick.radiographs.canvas` or the layout of a value
#: changes what is stored; older values are then left unread.
FORMAT = 3
CACHE_VARIABLE = "GREENSTICK_CACHE"
_HEADER = struct.Struct("<II")  # width, height of the original
_SORT, _REGION = struct.Struct("<HH"), struct.Struct("<IIII")  # parts of a key
_DIGEST_BYTES = 20
_BATCH = 64  # images decoded and then written in one transaction; what a killed builder loses
_FIRST_MAP_BYTES = 1 << 30

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Unreadable:
    """A file that has no pixels.

    Attributes
    ----------
    index
        Its position among the paths that were given.
    reason
        One line.
    """

    index: int
    reason: str


@dataclass(frozen=True)
class Added:
    """What became of the files given to :meth:`PixelStore.add`.

    Attributes
    ----------
    keys
        One for each path, in order; None where it is unreadable.
    unreadable
        The files without pixels.
    decoded
        How many were decoded now; the others were in the store already.
    """

    keys: list[bytes | None]
    unreadable: list[Unreadable]
    decoded: int

    def every_key(self, names: Sequence[str], *, remedy: str) -> list[bytes]:
        """Return a key for each path.

        Parameters
        ----------
        names
            What to call each path.
        remedy
            What to do about files that cannot be read.

        Raises
        ------
        GreenstickError
            Where a file is unreadable.
        """
        if self.unreadable:
            first = self.unreadable[0]
            raise GreenstickError(
                f"{len(self.unreadable)} images cannot be read, first "
                f"{names[first.index]}: {first.reason}",
                remedy=remedy,
            )
        return [key for key in self.keys if key is not None]


@dataclass(frozen=True)
class PixelStore:
    """Canvases of one size by content. Made by :func:`open_pixel_store`.

    It holds no open file itself, so it may be sent to other processes and used after a fork.

    Attributes
    ----------
    path
        The LMDB file.
    canvas_px
        Side of the square canvases.
    """

    path: Path
    canvas_px: int

    def key(self, path: Path, region: Region | None = None) -> bytes:
        """Return the key of a file's content, or of a region of it, on this canvas."""
        with open_plain(path) as file:
            digest = hashlib.file_digest(
                file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)
            ).digest()
        part = b"" if region is None else _REGION.pack(*astuple(region))
        return _SORT.pack(FORMAT, self.canvas_px) + digest + part

    def add(
        self,
        paths: Sequence[Path],
        *,
        regions: Sequence[Region] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Added:
        """Decode the files that are not in the store yet.

        Memory stays at one batch, however many files there are.

        Parameters
        ----------
        paths
            The files.
        regions
            What of each is looked at, within the image; None: all of each.
        workers
            Threads that decode; None: one for each core.
        progress
            Called with (done, all) after each batch.

        Raises
        ------
        GreenstickError
            Where the disk is full or the store cannot be written.
        """
        keys: list[bytes | None] = []
        unreadable: list[Unreadable] = []
        decoded = 0
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            for start in range(0, len(paths), _BATCH):
                some = slice(start, start + _BATCH)
                parts = repeat(None) if regions is None else regions[some]
                made = list(pool.map(self._make, paths[some], parts))
                self._write({m.key: m.value for m in made if m.key and m.value is not None})
                keys += [m.key for m in made]
                decoded += sum(m.value is not None for m in made)
                unreadable += [
                    Unreadable(start + i, m.reason) for i, m in enumerate(made) if m.key is None
                ]
                if progress is not None:
                    progress(len(keys), len(paths))
        return Added(keys, unreadable, decoded)

    def __contains__(self, key: bytes) -> bool:
        with _reading(self.path) as transaction:
            return transaction.get(key) is not None

    def canvas(self, key: bytes) -> NDArray[np.uint8]:
        """Return one canvas, uint8 of shape (canvas_px, canvas_px)."""
        canvas: NDArray[np.uint8] = self.gather([key])[0]
        return canvas

    def gather(self, keys: Sequence[bytes]) -> NDArray[np.uint8]:
        """Return canvases, uint8 of shape (n, canvas_px, canvas_px), in the order of the keys.

        Raises
        ------
        GreenstickError
            Where a key is not in the store (it was cleared, or built with another version).
        """
        out = np.zeros((len(keys), self.canvas_px, self.canvas_px), dtype=np.uint8)
        with _reading(self.path) as transaction:
            for canvas, key in zip(out, keys, strict=True):
                value = _get(transaction, key)
                where = self._place(key, value)
                rows = slice(where.top, where.top + where.height)
                columns = slice(where.left, where.left + where.width)
                pixels = np.frombuffer(value, dtype=np.uint8, offset=_HEADER.size)
                canvas[rows, columns] = pixels.reshape(where.height, where.width)
        return out

    def placement(self, key: bytes) -> Placement:
        """Return where the original lies on its canvas."""
        with _reading(self.path) as transaction:
            return self._place(key, _get(transaction, key))

    def _place(self, key: bytes, value: Any) -> Placement:
        width, height = _HEADER.unpack_from(value)
        part = key[_SORT.size + _DIGEST_BYTES :]
        region = Region(*_REGION.unpack(part)) if part else None
        return place((width, height), self.canvas_px, region)

    def _make(self, path: Path, region: Region | None) -> "_Made":
        try:
            key = self.key(path, region)
            if key in self:
                return _Made(key, None, "")
            radiograph = open_region(path, self.canvas_px, region)
            canvas, where = fit(radiograph, self.canvas_px, region)
        except GreenstickError as error:
            return _Made(None, None, error.message)
        except OSError as error:
            return _Made(None, None, f"It cannot be opened ({error.strerror or 'damaged'}).")
        # Padding is not stored: it is a fifth of a canvas and more.
        pixels = canvas[where.top : where.top + where.height, where.left : where.left + where.width]
        return _Made(key, _HEADER.pack(*where.original_size_px) + pixels.tobytes(), "")

    def _write(self, values: dict[bytes, bytes]) -> None:
        while values:
            try:
                with _writing(self.path) as transaction:
                    for key, value in values.items():
                        # Where another builder was first, its value stays: it is the same.
                        transaction.put(key, value, overwrite=False)
                return
            except lmdb.MapFullError:
                _grow(self.path)


@dataclass(frozen=True)
class _Made:
    key: bytes | None
    value: bytes | None  # None: in the store already, or unreadable
    reason: str


def default_cache() -> Path:
    """Return $GREENSTICK_CACHE, or ``~/.cache/greenstick``."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "greenstick"


def open_pixel_store(folder: Path | None = None, canvas_px: int = 320) -> PixelStore:
    """Open the pixel store in a folder, or make it.

    Parameters
    ----------
    folder
        The cache; None: :func:`default_cache`.
    canvas_px
        Side of the square canvases; stores of several sizes share one file.

    Raises
    ------
    GreenstickError
        Where the folder cannot be written, or holds something that is no store.
    """
    folder = folder or default_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _environment(folder / "pixels.lmdb")
    except (OSError, lmdb.Error) as error:
        raise GreenstickError(
            f"The pixel store in {folder} cannot be opened ({error}).",
            remedy=f"Name a folder on a local disk that you may write to in ${CACHE_VARIABLE}.",
        ) from None
    return PixelStore((folder / "pixels.lmdb").resolve(), canvas_px)


# LMDB must not be opened twice in one process (closing one would drop the other's file locks),
# nor be used in a child after a fork. So each process has one environment a file, opened on
# first use and told apart by process number. The lock keeps transactions away from a change of
# the map's size.
_environments: dict[tuple[int, Path], Any] = {}
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - a lock held by another thread at the fork is held for ever
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _environment(path: Path) -> Any:
    with _lock:
        key = (os.getpid(), path.resolve())
        if key not in _environments:
            for other in [other for other in _environments if other[0] != key[0]]:
                _environments.pop(other).close()  # the child's copy; the parent's stays open
            _environments[key] = lmdb.open(
                str(path),
                subdir=False,
                map_size=max(_FIRST_MAP_BYTES, path.stat().st_size if path.exists() else 0),
                max_readers=1024,
                metasync=False,  # a power cut may lose the last batch, never the store
                readahead=False,
            )
        return _environments[key]


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    with _lock:
        environment = _environment(path)
        try:
            transaction = environment.begin(buffers=True)
        except lmdb.MapResizedError:  # another process made the map larger
            environment.set_mapsize(0)
            transaction = environment.begin(buffers=True)
        with transaction:
            yield transaction


@contextmanager
def _writing(path: Path) -> Iterator[Any]:
    with _lock:
        environment = _environment(path)
        try:
            try:
                transaction = environment.begin(write=True)
            except lmdb.MapResizedError:
                environment.set_mapsize(0)
                transaction = environment.begin(write=True)
            with transaction:
                yield transaction
        except lmdb.MapFullError:
            raise
        except (lmdb.Error, OSError) as error:
            raise _unwritable(path, error) from None


def _unwritable(path: Path, error: Exception) -> GreenstickError:
    full = os.strerror(errno.ENOSPC) in str(error)
    return GreenstickError(
        f"The disk of {path.parent} is full." if full else f"{path} cannot be written ({error}).",
        remedy=f"Free space, or name another folder in ${CACHE_VARIABLE}; what was decoded stays.",
    )


def _grow(path: Path) -> None:
    with _lock:
        environment = _environment(path)
        environment.set_mapsize(2 * environment.info()["map_size"])


def _get(transaction: Any, key: bytes) -> Any:
    value = transaction.get(key)
    if value is None:
        raise GreenstickError(
            "An image is no longer in the pixel store.",
            remedy="Run the experiment again: it decodes what is missing.",
        )
    return value
