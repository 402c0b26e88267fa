"""JSON schemas of what is written: ``docs/schemas``, for programs that read it.

``python -m greenstick.evidence.schemas docs/schemas`` writes them anew; a test says when it must.
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from greenstick.evidence.comparisons import COMPARISON_VERSION, Comparisons
from greenstick.evidence.detection.detection import DETECTION_VERSION, DetectionEvidence
from greenstick.evidence.evidence import SCHEMA_VERSION, Evidence
from greenstick.evidence.multiclass import CLASSES_VERSION, ClassEvidence
from greenstick.evidence.readers.records import READERS_VERSION, ReaderStudy
from greenstick.files import write_text

#: Name of each file to what it holds, and its version.
SCHEMAS: dict[str, tuple[type[BaseModel], str]] = {
    "evidence": (Evidence, SCHEMA_VERSION),
    "comparison": (Comparisons, COMPARISON_VERSION),
    "classes": (ClassEvidence, CLASSES_VERSION),
    "detection": (DetectionEvidence, DETECTION_VERSION),
    "readers": (ReaderStudy, READERS_VERSION),
}


def schema_text(name: str) -> str:
    """Return the JSON schema of ``<name>.json`` as text, with its version in title and ``$id``."""
    model, version = SCHEMAS[name]
    schema = model.model_json_schema(mode="serialization")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"greenstick/{name}/{version}",
        "title": f"{name}.json, version {version}",
    }
    return json.dumps(head | {k: v for k, v in schema.items() if k != "title"}, indent=1) + "\n"


def write_schemas(folder: Path) -> None:
    """Write ``<name>.schema.json`` of each file into a folder."""
    for name in SCHEMAS:
        write_text(schema_text(name), folder / f"{name}.schema.json")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
