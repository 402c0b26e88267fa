"""Files and folders in, results on disk out; what is broken off can be gone on with."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Unpack

from greenstick.errors import GreenstickError
from greenstick.explanation.overlay import overlay
from greenstick.files import write_whole
from greenstick.reading.ahead import in_order
from greenstick.reading.dicom_results.kinds import Kind
from greenstick.reading.finding import find_files
from greenstick.reading.options import ReaderOptions
from greenstick.reading.reader import Examination, Reader
from greenstick.reading.results import Reading, Readings, read_json, shown, write_csv, write_json

if TYPE_CHECKING:
    from greenstick.reading.dicom_results.writing import DicomWriter

Progress = Callable[[int, int], None]

JSON, CSV, OVERLAYS, DICOM = "readings.json", "readings.csv", "overlays", "dicom"
#: Results are written again and again while reading: at first this often, and never so often that
#: writing takes more than a twentieth of the time.
_SECONDS_BETWEEN_WRITES, _WRITING_SHARE = 10.0, 20.0


def read_paths(
    paths: Sequence[Path | str],
    model: Path | str,
    output: Path | str,
    *,
    overlays: bool = True,
    dicom: Sequence[Kind] = (),
    progress: Progress | None = None,
    **options: Unpack[ReaderOptions],
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
    progress
        Called with (done, all).
    options
        Of the reader.

    Raises
    ------
    GreenstickError
        Where there is no model, or nothing to read.
    """
    output = Path(output)
    found = find_files(paths, leave_out=output)
    reader = Reader(model, isolated=True, **options)
    results = _Results(output, reader)
    earlier = results.unfinished(overlays=overlays, dicom=dicom)
    pictures = _Pictures(
        output, overlay_names(found.files), overlays, _dicom_writer(output, reader, dicom)
    )
    with results:
        results.extend(unread_place(folder, why) for folder, why in found.unreadable)
        left = [path for path in found.files if shown(path) not in earlier]
        new = in_order(
            pictures.draw,
            reader.examine(left),
            threads=reader.threads,
            name="greenstick-draw",
        )
        for done, path in enumerate(found.files, start=1):
            results.add(earlier.get(shown(path)) or next(new))
            if progress is not None:
                progress(done, len(found.files))
        results.complete = True
    reader.close()
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
            boxes=[(box.x, box.y, box.width, box.height) for box in reading.boxes],
            score=reading.probability,
            caption=_caption(reading),
            threshold=reading.threshold,
            width_px=reading.width,
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


def _caption(reading: Reading) -> str:
    warned = "; not without warnings" if reading.warnings else ""
    return f"{reading.decision or ''}{warned}".strip("; ")


def _dicom_writer(output: Path, reader: Reader, kinds: Sequence[Kind]) -> "DicomWriter | None":
    if not kinds:
        return None
    from greenstick.reading.dicom_results.writing import DicomWriter  # highdicom takes a while

    return DicomWriter(output / DICOM, reader.facts(), kinds)


def unread_place(place: Path, reason: str) -> Reading:
    """Return the reading of a folder, or an index, that cannot be looked into."""
    return Reading(
        path=str(place), status="not read", reason=f"It cannot be looked into: {reason}."
    )
