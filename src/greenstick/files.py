"""Files that are there whole or not at all, whatever is killed meanwhile."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file, whole or not at all."""
    write_whole(path, lambda part: shutil.copyfile(source, part))
