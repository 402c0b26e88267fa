"""What one check says: a finding for the whole cohort, and a hit for each row it concerns."""

from collections.abc import Sequence
from dataclasses import dataclass

from greenstick.findings import Finding, Severity


@dataclass(frozen=True)
class Hit:
    """One row that a check is about.

    Attributes
    ----------
    row
        Row number in the cohort, from 0.
    message
        What is wrong with it, on one line. Never holds a patient identifier.
    partner
        The row that it is a copy of or at odds with, where there is one.
    """

    row: int
    message: str
    partner: int | None = None


@dataclass(frozen=True)
class Outcome:
    """A check's finding, and the rows behind it."""

    finding: Finding
    hits: tuple[Hit, ...] = ()


def passed(code: str, message: str) -> Outcome:
    """Say that a check was made and found nothing."""
    return Outcome(Finding(code, Severity.PASSED, message))


def not_applicable(code: str, why: str) -> Outcome:
    """Say that a check could not be made, which is not the same as passed."""
    return Outcome(Finding(code, Severity.NOT_APPLICABLE, why))


def found(
    code: str, severity: Severity, message: str, hits: Sequence[Hit], *, remedy: str
) -> Outcome:
    """Say what a check found, row by row."""
    named = {hit.row for hit in hits} | {hit.partner for hit in hits if hit.partner is not None}
    rows = tuple(sorted(named))
    return Outcome(Finding(code, severity, message, rows, remedy), tuple(hits))


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return '1 image' or '3,670 images'."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
