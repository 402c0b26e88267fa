"""Files that are there whole or not at all, whatever is killed meanwhile."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

#: How polars tells of a full or closed disk, within an error that has no number.
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


class NoPlainFileError(OSError):
    """A folder; or a pipe, a socket or a device, which may have no end."""


def open_plain(path: Path) -> BufferedReader:
    """Open a file to read its bytes.

    Raises
    ------
    OSError
        Where it cannot be opened; :class:`NoPlainFileError` where it is no file of its own.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NoPlainFileError(errno.EINVAL, "not a file of its own")
    return path.open("rb")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under another name beside its own, then put it in place.

    A write that fails or is killed leaves an older file as it was; several processes may write
    the same file.

    Parameters
    ----------
    path
        The file; its folder is made if absent.
    write
        Called with the path to write to.

    Raises
    ------
    OSError
        With its number, also where ``write`` is of polars, whose errors have none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    except Exception as error:
        said = _SYSTEM_ERROR.search(str(error))
        if said is None or getattr(error, "errno", None) is not None:
            raise
        number = int(said[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file, whole or not at all."""
    write_whole(path, lambda part: shutil.copyfile(source, part))
