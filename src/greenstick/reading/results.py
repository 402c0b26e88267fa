"""What became of each input: one Reading, as JSON, CSV and back."""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError

Status = Literal["read", "not read"]
Decision = Literal["fracture", "no fracture"]


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
    probability
        Calibrated probability of a fracture, 0 to 1.
    decision
        Whether the probability reaches the threshold; None also for a model without one.
    threshold
        The operating point, as chosen on validation data.
    model
        The model's name.
    peak_x, peak_y
        Where the heat map is highest, in the original's pixels.
    width, height
        Of the original in pixels.
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
    probability: float | None = None
    decision: Decision | None = None
    threshold: float | None = None
    model: str = ""
    peak_x: float | None = None
    peak_y: float | None = None
    width: int | None = None
    height: int | None = None
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


def write_json(results: Readings, path: Path) -> None:
    """Write readings as one JSON document, whole or not at all."""
    document = {
        "research_use": RESEARCH_USE,
        "greenstick": __version__,
        "model": results.model,
        "complete": results.complete,
        "readings": [asdict(reading) for reading in results.readings],
    }
    _write(json.dumps(document, indent=1, ensure_ascii=False) + "\n", path)


def write_csv(results: Readings, path: Path) -> None:
    """Write readings as CSV with a header, whole or not at all; each row says its use."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow((*COLUMNS, "research_use"))
    for reading in results.readings:
        values = asdict(reading)
        table.writerow([*(values[name] for name in COLUMNS), RESEARCH_USE])
    _write(text.getvalue(), path)


def read_json(path: Path) -> Readings:
    """Read what :func:`write_json` wrote.

    Raises
    ------
    GreenstickError
        Where the file is missing or something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        readings = [Reading(**values) for values in document["readings"]]
        return Readings(
            model=dict(document["model"]), complete=bool(document["complete"]), readings=readings
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise GreenstickError(
            f"{path} holds no readings of Greenstick {__version__}.",
            remedy="Read the images again into another folder.",
        ) from None


def _write(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # A path that is no valid UTF-8 must not stop the others.
        part.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
