"""Files and folders in, results on disk out; what is broken off can be gone on with."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from greenstick.errors import GreenstickError
from greenstick.explanation.overlay import overlay
from greenstick.files import write_whole
from greenstick.reading.ahead import in_order
from greenstick.reading.dicom_results.kinds import Kind
from greenstick.reading.reader import Examination, Reader
from greenstick.reading.results import Reading, Readings, read_json, write_csv, write_json

if TYPE_CHECKING:
    from greenstick.reading.dicom_results.writing import DicomWriter

Progress = Callable[[int, int], None]

JSON, CSV, OVERLAYS, DICOM = "readings.json", "readings.csv", "overlays", "dicom"
#: Results are written again and again while reading: at first this often, and never so often that
#: writing takes more than a twentieth of the time.
_SECONDS_BETWEEN_WRITES, _WRITING_SHARE = 10.0, 20.0


@dataclass(frozen=True)
class Found:
    """The files meant by a user's paths.

    Attributes
    ----------
    files
        In order, each once.
    unreadable
        Folders that could not be looked into: (folder, reason).
    """

    files: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


def read_paths(
    paths: Sequence[Path | str],
    model: Path | str,
    output: Path | str,
    *,
    overlays: bool = True,
    dicom: Sequence[Kind] = (),
    threads: int = 0,
    progress: Progress | None = None,
) -> list[Reading]:
    """Read files and folders with a model, and write the results into a folder.

    Writes ``readings.json``, ``readings.csv``, ``overlays/`` and, where wanted, ``dicom/``. Every
    file found gives one reading, and so does a folder that cannot be looked into. Whatever ends
    the call, what is written is whole; the same call then goes on where it stopped.

    Parameters
    ----------
    paths
        Files are taken as they are; folders are walked, sorted, without hidden files.
    model
        A model folder, or a run folder that holds one.
    output
        Folder for the results; made where it is missing, and never read from.
    overlays
        Whether to draw each radiograph that was read, with its heat map.
    dicom
        The kinds of DICOM results to write of each DICOM file that was read.
    threads
        How many to use; 0: all cores.
    progress
        Called with (done, all).

    Raises
    ------
    GreenstickError
        Where there is no model, or nothing to read.
    """
    output = Path(output)
    found = find_files(paths, leave_out=output)
    reader = Reader(model, threads=threads)
    results = _Results(output, reader)
    earlier = results.unfinished(overlays=overlays, dicom=dicom)
    pictures = _Pictures(
        output, overlay_names(found.files), overlays, _dicom_writer(output, reader, dicom)
    )
    with results:
        results.extend(_of_folder(folder, why) for folder, why in found.unreadable)
        left = [path for path in found.files if str(path) not in earlier]
        new = in_order(
            pictures.draw,
            reader.examine(left),
            threads=reader.threads,
            name="greenstick-draw",
        )
        for done, path in enumerate(found.files, start=1):
            results.add(earlier.get(str(path)) or next(new))
            if progress is not None:
                progress(done, len(found.files))
        results.complete = True
    return results.readings


class _Results:
    """The results on disk, kept up to date while they come in."""

    def __init__(self, output: Path, reader: Reader) -> None:
        self.output = output
        self.readings: list[Reading] = []
        self.complete = False
        self._model = reader.facts()
        self._due = monotonic() + _SECONDS_BETWEEN_WRITES

    def __enter__(self) -> "_Results":
        return self

    def __exit__(self, *_: object) -> None:
        # Ctrl-C comes by here too: what was read is kept.
        self._write()

    def unfinished(self, *, overlays: bool, dicom: Sequence[Kind]) -> dict[str, Reading]:
        """Return what a broken-off call with the same model has read, by path."""
        if not (self.output / JSON).is_file():
            return {}
        try:
            before = read_json(self.output / JSON)
        except GreenstickError:
            return {}
        if before.complete or before.model != self._model:
            return {}
        return {
            reading.path: reading
            for reading in before.readings
            if reading.status == "read"
            and (bool(reading.overlay) or not overlays)
            and (bool(reading.no_dicom) or all(f".{k}.dcm" in reading.dicom for k in dicom))
        }

    def add(self, reading: Reading) -> None:
        self.readings.append(reading)
        if monotonic() >= self._due:
            self._write()

    def extend(self, readings: Iterable[Reading]) -> None:
        self.readings.extend(readings)

    def _write(self) -> None:
        start = monotonic()
        results = Readings(model=self._model, complete=self.complete, readings=self.readings)
        write_json(results, self.output / JSON)
        write_csv(results, self.output / CSV)
        now = monotonic()
        self._due = now + max(_SECONDS_BETWEEN_WRITES, _WRITING_SHARE * (now - start))


def find_files(paths: Sequence[Path | str], *, leave_out: Path | None = None) -> Found:
    """Find the files meant by paths.

    Parameters
    ----------
    paths
        Files are kept whatever their name; folders are walked in sorted order, following links
        (each folder once), without files and folders whose name begins with a dot.
    leave_out
        A folder that is not walked: where the results go.

    Raises
    ------
    GreenstickError
        Where a path does not exist, or there is nothing to read.
    """
    found = Found()
    taken: set[str] = set()
    walked: set[Path] = {leave_out.resolve()} if leave_out is not None else set()
    for path in map(Path, paths):
        if leave_out is not None and path.resolve() == leave_out.resolve():
            raise GreenstickError(
                f"The results would lie among the images in {path}.",
                remedy="Choose another folder for them with -o.",
            )
        if not path.exists():
            raise GreenstickError(f"There is nothing at {path}.", remedy="Check the path.")
        for file in _walk(path, walked, found) if path.is_dir() else [path]:
            if str(file) not in taken:
                taken.add(str(file))
                found.files.append(file)
    if not found.files and not found.unreadable:
        raise GreenstickError("There are no files to read.", remedy="Give files or full folders.")
    return found


def _walk(folder: Path, walked: set[Path], found: Found) -> Iterator[Path]:
    real = folder.resolve()
    if real in walked:
        return
    walked.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        found.unreadable.append((folder, error.strerror or type(error).__name__))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, walked, found)
        else:
            yield entry


def overlay_names(files: Sequence[Path]) -> dict[str, str]:
    """Return by path a safe file name for each picture, unique even without regard to case.

    A stem that occurs twice, in two folders or with two endings, gets a digest of its path.
    """
    stems = {path: _safe(path.stem) for path in files}
    count = Counter(stem.lower() for stem in stems.values())
    return {
        str(path): f"{stem}.png" if count[stem.lower()] == 1 else f"{stem}-{_digest(path)}.png"
        for path, stem in stems.items()
    }


def _safe(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._")[:80] or "image"


def _digest(path: Path) -> str:
    return blake2b(os.fsencode(path), digest_size=6).hexdigest()


@dataclass(frozen=True)
class _Pictures:
    """What is made of a reading besides its row: the overlay, and DICOM results."""

    output: Path
    names: Mapping[str, str]
    overlays: bool
    dicom: "DicomWriter | None"

    def draw(self, examination: Examination) -> Reading:
        """Write what is wanted, and return the reading with the files' names."""
        reading = examination.reading
        if examination.pixels is None or not (self.overlays or self.dicom):
            return reading
        name = self.names[reading.path]
        picture = overlay(
            examination.pixels,
            examination.heat,
            score=reading.probability,
            caption=reading.decision or "",
            threshold=reading.threshold,
        )
        if self.overlays:
            # A tenth larger than at the usual level, and three times quicker.
            save = partial(picture.save, format="PNG", compress_level=1)
            write_whole(self.output / OVERLAYS / name, save)
            reading = replace(reading, overlay=name)
        if self.dicom is None:
            return reading
        try:
            files = self.dicom.write(
                examination, picture, name.removesuffix(".png"), made=datetime.now()
            )
        except GreenstickError as error:
            return replace(reading, no_dicom=error.message)
        return replace(reading, dicom=" ".join(files))


def _dicom_writer(output: Path, reader: Reader, kinds: Sequence[Kind]) -> "DicomWriter | None":
    if not kinds:
        return None
    from greenstick.reading.dicom_results.writing import DicomWriter  # highdicom takes a while

    return DicomWriter(output / DICOM, reader.facts(), kinds)


def _of_folder(folder: Path, reason: str) -> Reading:
    return Reading(
        path=str(folder), status="not read", reason=f"The folder cannot be looked into: {reason}."
    )
