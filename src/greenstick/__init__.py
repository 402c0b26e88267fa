"""Greenstick: bone-fracture AI on radiographs. Research use only; not a medical device."""

__version__ = "0.1.0"

RESEARCH_USE = "Research use only. Not a medical device."
