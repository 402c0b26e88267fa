"""Which files a user's paths mean: files, folders, and what a DICOMDIR lists."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from greenstick.errors import GreenstickError
from greenstick.radiographs.decoding import decoding

#: The index of a medium (PS3.10 8.6); it holds no image itself.
_INDEX, _INDEX_CLASS = "DICOMDIR", b"1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class Found:
    """The files meant by a user's paths.

    Attributes
    ----------
    files
        In order, each once.
    unreadable
        Folders and indexes that could not be looked into: (path, reason).
    """

    files: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


def find_files(paths: Sequence[Path | str], *, leave_out: Path | None = None) -> Found:
    """Find the files meant by paths, all at once; see :func:`walk`.

    Raises
    ------
    GreenstickError
        As for :func:`walk`, and where there is nothing to read.
    """
    found = Found()
    found.files.extend(walk(paths, found.unreadable, leave_out=leave_out))
    if not found.files and not found.unreadable:
        raise GreenstickError("There are no files to read.", remedy="Give files or full folders.")
    return found


def walk(
    paths: Sequence[Path | str],
    unreadable: list[tuple[Path, str]],
    *,
    leave_out: Path | None = None,
) -> Iterator[Path]:
    """Yield the files meant by paths, one by one, in memory that does not grow with their number.

    Parameters
    ----------
    paths
        Files are kept whatever their name, but a DICOMDIR stands for the files that it lists.
        Folders are walked in sorted order, following links (each folder once), without files and
        folders whose name begins with a dot, and without indexes.
    unreadable
        Is told of folders and indexes that cannot be looked into.
    leave_out
        A folder that is not walked: where the results go.

    Raises
    ------
    GreenstickError
        Where a path does not exist, or is where the results go.
    """
    given = [Path(path) for path in paths]
    for path in given:
        if leave_out is not None and path.resolve() == leave_out.resolve():
            raise GreenstickError(
                f"The results would lie among the images in {path}.",
                remedy="Choose another folder for them with -o.",
            )
        if not os.path.lexists(path):
            raise GreenstickError(f"There is nothing at {path}.", remedy="Check the path.")
    taken: set[Path] = set()
    walked = {leave_out.resolve()} if leave_out is not None else set()
    for path in given:
        if _is_folder(path):
            # A file that was given by itself is not found again in its folder.
            yield from (file for file in _walk(path, walked, unreadable) if file not in taken)
            continue
        for file in listed_files(path, unreadable) if _is_index(path) else [path]:
            if file not in taken:
                taken.add(file)
                yield file


def _walk(folder: Path, walked: set[Path], unreadable: list[tuple[Path, str]]) -> Iterator[Path]:
    real = folder.resolve()
    if real in walked:
        return
    walked.add(real)
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        unreadable.append((folder, error.strerror or type(error).__name__))
        return
    for name in names:
        entry = folder / name
        if name.startswith(".") or name == _INDEX:
            continue
        if _is_folder(entry):
            yield from _walk(entry, walked, unreadable)
        else:
            yield entry


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it may not even be looked at: opening it will say so
        return False


def _is_index(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    return head[128:132] == b"DICM" and _INDEX_CLASS in head


def listed_files(index: Path, unreadable: list[tuple[Path, str]]) -> list[Path]:
    """Return the files that a DICOMDIR lists, in its order; they may be missing.

    Names are found without regard to case, since media were often copied to lower case. A name
    that leads out of the index's folder is left out.
    """
    try:
        with decoding():
            records = pydicom.dcmread(index).DirectoryRecordSequence
            parts = [record.get("ReferencedFileID") or () for record in records]
            names = [[each] if isinstance(each, str) else [str(p) for p in each] for each in parts]
    except Exception as error:  # whatever pydicom raises at a broken file
        unreadable.append((index, f"it is broken ({type(error).__name__})"))
        return []
    sound = [name for name in names if name and not any(_leads_out(part) for part in name)]
    return [_with_case(index.parent, name) for name in sound]


def _leads_out(part: str) -> bool:
    return part in ("", ".", "..") or "/" in part or "\\" in part


def _with_case(folder: Path, parts: Sequence[str]) -> Path:
    for part in parts:
        exact = folder / part
        if not os.path.lexists(exact):
            try:
                same = [entry for entry in folder.iterdir() if entry.name.lower() == part.lower()]
            except OSError:
                same = []
            exact = same[0] if same else exact
        folder = exact
    return folder
