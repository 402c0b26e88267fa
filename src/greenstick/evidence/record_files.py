"""Records of evidence on disk: JSON files, whole or not at all, each of a stated version."""

from pathlib import Path
from typing import TypeVar

from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import Record
from greenstick.files import write_text

R = TypeVar("R", bound=Record)


def write_record(record: Record, path: Path | str) -> None:
    """Write a record as JSON; a killed write leaves the old file whole."""
    write_text(record.model_dump_json(indent=1) + "\n", Path(path))


def read_record(kind: type[R], path: Path | str, *, what: str, make: str, again: str) -> R:
    """Read a record.

    Parameters
    ----------
    kind
        Of which record.
    what
        What the file should be, e.g. ``"evidence of version 1"``.
    make, again
        The remedies where it is missing, and where it is something else.

    Raises
    ------
    GreenstickError
        Where the file is missing or no such record.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There is no {path}.", remedy=make)
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError:
        raise GreenstickError(f"{path} is no {what}.", remedy=again) from None
