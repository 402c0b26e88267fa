"""What every importer gives."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True, eq=False)
class Imported:
    """A table on its way to becoming a cohort.

    Attributes
    ----------
    table
        ``image`` (relative to ``root``, or absolute), ``label``, and any further columns.
    root
        The folder that ``image`` is relative to.
    notes
        What was left out or taken for granted, a sentence each.
    """

    table: pl.DataFrame
    root: Path
    notes: tuple[str, ...] = ()
