"""What the verbs print: tables, progress bars and the conclusion."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.evidence import Evidence
from greenstick.findings import Severity

#: Results go to standard output; stages and progress to standard error.
console = Console(highlight=False)
status = Console(stderr=True, highlight=False)

def print_conclusion(evidence: Evidence, page: Path) -> None:
    """Print the three numbers that matter, what is wrong with them, and where the report is."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in ("AUROC", "sensitivity", "specificity"):
        try:
            table.add_row(*_number(evidence.estimate(name)))
        except GreenstickError:  # one class only, or no operating point: the report says why
            table.add_row(name, "not estimable", "")
    console.print(f"\n{evidence.n_images} test images of {evidence.n_patients} patients unseen:")
    console.print(table)
    for finding in evidence.findings:
        if finding.severity is Severity.ERROR:
            console.print(f"[red]{finding.message}[/red] {finding.remedy}")
    console.print(f"[dim]{RESEARCH_USE}[/dim]\n")
    console.print(str(page), soft_wrap=True)


def _number(estimate: Estimate) -> tuple[str, str, str]:
    if estimate.value is None:
        return estimate.name, "not estimable", ""
    lower = "-∞" if estimate.lower is None else f"{estimate.lower:.3f}"
    upper = "∞" if estimate.upper is None else f"{estimate.upper:.3f}"
    return estimate.name, f"{estimate.value:.3f}", f"({estimate.level:.0%} {lower} to {upper})"


def print_evidence(evidence: Evidence) -> None:
    """Print every estimate with its interval and method."""
    table = Table("", "value", "interval", "method", box=None, pad_edge=False)
    estimates = [*evidence.discrimination, *evidence.calibration, *evidence.at_operating_point]
    for estimate in estimates:
        table.add_row(*_number(estimate), estimate.method)
    console.print(table)
    for finding in evidence.findings:
        if finding.severity in (Severity.WARNING, Severity.ERROR):
            console.print(f"{finding.severity}: {finding.message} {finding.remedy}")
