"""What a check found: one noun for the audit, the evidence checks and the guard."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters. 'Not applicable' is not 'passed'."""

    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check on a table or an image.

    Attributes
    ----------
    code
        Stable kebab-case name of the check, e.g. ``"near-duplicate-across-splits"``.
    severity
        ``ERROR`` where it would make a result untrue.
    message
        One line for the reader.
    rows
        Row numbers (0-based) in the checked table; empty where the whole is meant.
    remedy
        What to do about it; empty where there is nothing to do.
    """

    code: str
    severity: Severity
    message: str
    rows: tuple[int, ...] = ()
    remedy: str = ""


def worst(findings: list[Finding]) -> Severity:
    """Return the gravest severity among the findings (``PASSED`` for none)."""
    order = list(Severity)
    return max((f.severity for f in findings), key=order.index, default=Severity.PASSED)
