"""What became of each input: one Reading, as JSON, CSV and back."""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError
from greenstick.radiographs.region import Region

Status = Literal["read", "not read"]
Decision = Literal["fracture", "doubt", "no fracture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A place where the heat map reaches the threshold, or that a detector points at.

    Attributes
    ----------
    x, y, width, height
        In the original's pixels.
    probability
        The map's greatest value within, or the detector's score.
    class_name
        What a detector of several classes takes it for; else None.
    """

    x: float
    y: float
    width: float
    height: float
    probability: float
    class_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassProbability:
    """One of several classes of a model, and its calibrated probability."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a model says of one file, or why it was not read. Research use only.

    Attributes
    ----------
    path
        The file, as it was given or found.
    status
        ``"read"``, or ``"not read"``: then ``reason`` says why, and there is no probability and
        no decision. Never take it for 'no fracture'.
    reason
        One line; empty where it was read.
    warnings
        What a reader of the answer should know, a line each.
    probability
        Calibrated probability of a fracture, 0 to 1; of a model of types of fracture that may
        hold or not, that of the likeliest.
    classes
        Of a model of several classes, the probability of each.
    low, high
        The same one standard deviation of an ensemble's members below and above; None for one
        network.
    decision
        Whether the probability reaches the threshold; ``"doubt"`` between the two thresholds of a
        model that has one for each answer. None also for a model without one.
    threshold
        The operating point, as chosen on validation data.
    boxes
        Around what reaches the threshold on the heat map, the hottest first, ten at most. With a
        detector its boxes from its confidence on, the surest first. None where the decision is
        ``"no fracture"``.
    best_box
        Score of the detector's surest box, shown or not, 0 where it has none; None without a
        detector.
    model, model_digest
        The model's name, and a digest of its files.
    peak_x, peak_y
        Where the heat map is highest, in the original's pixels; None without one, as of a detector
        that answers by itself.
    width, height
        Of the original in pixels.
    region
        The part of it that was looked at, in its pixels; None for a model that looks at all.
        Nothing is said of what lies outside.
    decoder
        Which decoder gave the pixels, and at which part of the size.
    checksum
        BLAKE2b of 16 bytes over the file's content, in hexadecimal.
    seconds
        Spent on decoding and on the network.
    overlay
        The picture's file name within ``overlays/``; empty where none was drawn.
    dicom, no_dicom
        The DICOM results' file names within ``dicom/``, with spaces between; where they were
        wanted and there are none, why.
    """

    path: str
    status: Status
    reason: str = ""
    warnings: tuple[str, ...] = ()
    probability: float | None = None
    classes: tuple[ClassProbability, ...] = ()
    low: float | None = None
    high: float | None = None
    decision: Decision | None = None
    threshold: float | None = None
    boxes: tuple[Box, ...] = ()
    best_box: float | None = None
    model: str = ""
    model_digest: str = ""
    peak_x: float | None = None
    peak_y: float | None = None
    width: int | None = None
    height: int | None = None
    region: Region | None = None
    decoder: str = ""
    checksum: str = ""
    seconds: float = 0.0
    overlay: str = ""
    dicom: str = ""
    no_dicom: str = ""


COLUMNS = tuple(field.name for field in fields(Reading))


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """All readings of one call, with what they were made by.

    Attributes
    ----------
    model
        Facts of the model: its name, where its threshold and temperature came from, its digest.
    complete
        False where the call was broken off; what is there is whole all the same.
    readings
        In the order of the inputs.
    """

    model: dict[str, Any]
    complete: bool
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What ``readings.json`` holds; its JSON schema is ``docs/schemas/readings.schema.json``."""

    research_use: str
    greenstick: str
    model: dict[str, Any]
    complete: bool
    readings: Sequence[Reading]


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of ``readings.json``."""
    return TypeAdapter(Document).json_schema()


def shown(text: Path | str) -> str:
    """Return text as any program can read it; a name's bytes of no alphabet are spelled out."""
    return os.fsencode(text).decode("utf-8", errors="backslashreplace")


def write_json(results: Readings, path: Path) -> None:
    """Write readings as one JSON document, whole or not at all."""
    document = Document(
        research_use=RESEARCH_USE,
        greenstick=__version__,
        model=results.model,
        complete=results.complete,
        readings=list(map(_spelled, results.readings)),
    )
    _write(json.dumps(asdict(document), indent=1, ensure_ascii=False) + "\n", path)


def write_csv(results: Readings, path: Path) -> None:
    """Write readings as CSV with a header, whole or not at all; each row says its use."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow((*COLUMNS, "research_use"))
    for reading in map(_spelled, results.readings):
        values = {name: getattr(reading, name) for name in COLUMNS}
        values["warnings"] = " ".join(reading.warnings)
        values["boxes"] = "; ".join(map(_as_text, reading.boxes))
        values["classes"] = "; ".join(f"{c.name} {c.probability:.4f}" for c in reading.classes)
        values["region"] = " ".join(map(str, astuple(reading.region))) if reading.region else ""
        table.writerow([*values.values(), RESEARCH_USE])
    _write(text.getvalue(), path)


def _spelled(reading: Reading) -> Reading:
    return replace(reading, path=shown(reading.path), reason=shown(reading.reason))


def _as_text(box: Box) -> str:
    sides = f"{box.x} {box.y} {box.width} {box.height} {box.probability}"
    return sides if box.class_name is None else f"{sides} {box.class_name}"


def read_json(path: Path) -> Readings:
    """Read what :func:`write_json` wrote.

    Raises
    ------
    GreenstickError
        Where the file is missing or something else.
    """
    try:
        document = TypeAdapter(Document).validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise GreenstickError(
            f"{path} holds no readings of Greenstick {__version__}.",
            remedy="Read the images again into another folder.",
        ) from None
    return Readings(
        model=document.model, complete=document.complete, readings=list(document.readings)
    )


def _write(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
