"""The command line: a file a noun, one short function a verb, no logic.

Heavy modules are imported inside the verbs, so that ``greenstick --help`` answers at once.
"""

from greenstick.cli import boxes, cohort, detector, drawn, evidence, experiment, reading
from greenstick.cli.common import app, main

__all__ = [
    "app",
    "boxes",
    "cohort",
    "detector",
    "drawn",
    "evidence",
    "experiment",
    "main",
    "reading",
]
