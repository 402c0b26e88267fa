"""Find images: all in a folder, or those that a table lists by name."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import polars as pl

from greenstick.errors import GreenstickError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom", ".nii", ".nii.gz")

#: How folders and tables of others call our splits.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def is_image(name: str) -> bool:
    """Tell by its suffix whether a file is an image that can be opened."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def stem(name: str) -> str:
    """Return a file's name without its folder and without the suffix of an image."""
    base = name.rpartition("/")[2]
    for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True):
        if base.lower().endswith(suffix):
            return base[: -len(suffix)]
    return base


def split_in(path: str) -> str | None:
    """Return the split that a folder in the path is named after, if any."""
    for name in path.casefold().split("/")[:-1]:
        for word in (name, *name.replace("_", " ").replace("-", " ").split()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return None


def read_text(path: Path) -> str:
    """Read text as it comes: UTF-8, UTF-16 with its mark, or else Windows text."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what a spreadsheet calls Unicode text
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def files_in(folder: Path) -> list[str]:
    """Return every file below a folder, as sorted POSIX paths relative to it.

    Links to folders are followed, once each. What operating systems and notebooks leave behind
    (names that begin with a dot, ``__MACOSX``) is passed over.

    Raises
    ------
    GreenstickError
        Where the folder is not there or may not be looked into, or an image's name is no text.
    """
    if not folder.is_dir():
        raise GreenstickError(f"There is no folder {folder}.", remedy="Check the path.")
    files = sorted(_walk(folder))
    _refuse_no_text(files)
    return files


def _refuse_no_text(files: Sequence[str]) -> None:
    for file in files:
        if not file.isascii() and is_image(file):
            shown = file.encode("utf-8", "backslashreplace").decode()
            if shown != file:
                raise GreenstickError(
                    f"The name of {shown} is not in UTF-8.", remedy="Rename the file or its folder."
                )


def _refuse_closed(error: OSError) -> NoReturn:
    raise GreenstickError(
        f"{error.filename} cannot be looked into ({error.strerror}).",
        remedy="Make it readable, or move it away: its images would be missing without a word.",
    ) from None


def _walk(folder: Path) -> Iterator[str]:
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_closed):
        real = os.path.realpath(where)
        if real in seen:  # a link back to a folder above: following it would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        start = os.path.relpath(where, folder).replace(os.sep, "/")
        prefix = "" if start == "." else f"{start}/"
        yield from (prefix + file for file in files if not file.startswith("."))


def images_in(folder: Path) -> list[str]:
    """Return every image below a folder, as sorted POSIX paths relative to it.

    Raises
    ------
    GreenstickError
        Where the folder is not there or holds no image.
    """
    files = files_in(folder)
    images = [file for file in files if is_image(file)]
    if not images:
        holds = f"none of its {len(files)} files is one" if files else "it is empty"
        raise GreenstickError(
            f"There are no images in {folder}: {holds}.",
            remedy=f"Images end in {', '.join(IMAGE_SUFFIXES)}.",
        )
    return images


def locate(names: Sequence[str], folder: Path) -> list[str | None]:
    """Find listed images in a folder: for each its path relative to it, None where missing.

    A name may be a path relative to the folder, an absolute path, the end of a path in a folder
    below, a path of somebody else's machine that ends like one here, and may lack its suffix.

    Raises
    ------
    GreenstickError
        Where a name fits several files, or two names lead to one file.
    """
    plain = [name.strip().replace("\\", "/").removeprefix("./") for name in names]
    images = [_there(name, folder) for name in plain]
    if None in images:
        index = _Index(files_in(folder))
        images = [
            index.find(name) if there is None else there
            for name, there in zip(plain, images, strict=True)
        ]
    _refuse_shared(plain, images)
    return images


def _there(name: str, folder: Path) -> str | None:
    """Return the path relative to the folder of a file that is where its name says."""
    # 100,000 of them: pathlib would take ten times as long.
    path = os.path.join(folder, name)  # noqa: PTH118
    if not name or not os.path.isfile(path):  # noqa: PTH113
        return None
    if not os.path.isabs(name) and "./" not in name and "//" not in name:  # noqa: PTH117
        return name
    # One file must not go by two names: it would count twice.
    where, base = Path(path).parent.resolve(), Path(path).name
    start = folder.resolve()
    return (where / base).relative_to(start).as_posix() if where.is_relative_to(start) else name


def with_located(
    table: pl.DataFrame, folder: Path, *, skip_missing: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Replace the names in ``image`` by the files' paths; return that, and a note on missing ones.

    Raises
    ------
    GreenstickError
        As :func:`locate` and :func:`note_missing` do.
    """
    names = table["image"].to_list()
    images = pl.Series("image", locate(names, folder), dtype=pl.String)
    missing = table["image"].filter(images.is_null()).to_list()
    notes = note_missing(missing, len(names), folder, skip=skip_missing)
    return table.with_columns(images).drop_nulls("image"), notes


def spelled(name: str) -> str:
    """Return a name as it is compared: letters and their accents are one or two code points."""
    return unicodedata.normalize("NFC", name)


class _Index:
    """Images by name, whatever its case, and by name without suffix."""

    def __init__(self, files: Sequence[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for file in filter(is_image, files):
            self._by_name[spelled(file.rpartition("/")[2]).casefold()].append(file)
            self._by_stem[spelled(stem(file)).casefold()].append(file)

    def find(self, name: str) -> str | None:
        base = spelled(name.rpartition("/")[2]).casefold()
        whole = self._by_name.get(base, [])
        candidates = whole or (self._by_stem.get(base, []) if not is_image(name) else [])
        if len(candidates) > 1:
            candidates = _ending_like(name, candidates)
        if len(candidates) > 1:
            raise GreenstickError(
                f"{name!r} may be any of {len(candidates)} files, e.g. {candidates[0]} and "
                f"{candidates[1]}.",
                remedy="List images with their folder, or give one folder with --images.",
            )
        return candidates[0] if candidates else None


def _ending_like(name: str, candidates: list[str]) -> list[str]:
    """Return the candidates whose folders agree with the name's, counted from the end, longest."""
    wanted = spelled(name).casefold().split("/")[-2::-1]

    def agreement(candidate: str) -> int:
        folders = spelled(candidate).casefold().split("/")[-2::-1]
        pairs = zip(wanted, folders, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(wanted), len(folders)))

    best = max(map(agreement, candidates))
    return [candidate for candidate in candidates if agreement(candidate) == best]


def _refuse_shared(names: Sequence[str], images: Sequence[str | None]) -> None:
    taken: dict[str, str] = {}
    for name, image in zip(names, images, strict=True):
        if image is not None and taken.setdefault(image, name) != name:
            raise GreenstickError(
                f"{taken[image]!r} and {name!r} both lead to {image}.",
                remedy="Correct the names, or give the folder they start from with --images.",
            )


def note_missing(missing: Sequence[str], total: int, folder: Path, *, skip: bool) -> list[str]:
    """Return a note on missing images (none where none is missing).

    Raises
    ------
    GreenstickError
        Where some are missing and may not be skipped, or where all are.
    """
    if not missing:
        return []
    lost, first = len(missing), ", ".join(missing[:3])
    if lost == total or not skip:
        raise GreenstickError(
            f"{lost} of {total} listed images are not in {folder}, first: {first}.",
            remedy="Give their folder with --images"
            + ("." if lost == total else ", or leave them out with --skip-missing."),
        )
    return [f"{lost} of {total} listed images were missing and left out, first: {first}."]
