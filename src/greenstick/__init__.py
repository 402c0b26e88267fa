"""Greenstick: bone-fracture AI on radiographs. Research use only; not a medical device."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

RESEARCH_USE = "Research use only. Not a medical device."

if TYPE_CHECKING:
    from greenstick.reading.reader import Reader


def __getattr__(name: str) -> "type[Reader]":
    """Import the reader when it is first asked for: ``greenstick.Reader("runs/x")("film.dcm")``."""
    if name == "Reader":
        # Not by a statement: this package lies below all of its parts.
        reader: type[Reader] = import_module("greenstick.reading.reader").Reader
        return reader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
