"""What the verbs print: tables, progress bars and the conclusion."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenstick import RESEARCH_USE
from greenstick.cohorts.audit import Audit
from greenstick.cohorts.summary import CohortSummary
from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import Estimate, Subgroup
from greenstick.evidence.evidence import Evidence
from greenstick.experiments.published import Protocol
from greenstick.findings import Finding, Severity
from greenstick.reading.results import Reading

#: Results go to standard output; stages and progress to standard error.
console = Console(highlight=False)
status = Console(stderr=True, highlight=False)

_SHOWN = 40  # readings on screen; all of them are in the files


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
            console.print(f"[red]{escape(finding.message)}[/red] {finding.remedy}")
        elif finding.code == "incomplete":
            console.print(f"[yellow]{escape(finding.message)}[/yellow] {finding.remedy}")
    console.print(f"[dim]{RESEARCH_USE}[/dim]\n")
    console.print(str(page), soft_wrap=True)


def _number(estimate: Estimate) -> tuple[str, str, str]:
    if estimate.value is None and not estimate.infinite:
        return estimate.name, "not estimable", ""
    value = "∞" if estimate.value is None else f"{estimate.value:.3f}"
    if estimate.lower is None and estimate.upper is None:
        return estimate.name, value, ""
    lower = "-∞" if estimate.lower is None else f"{estimate.lower:.3f}"
    upper = "∞" if estimate.upper is None else f"{estimate.upper:.3f}"
    return estimate.name, value, f"({estimate.level:.0%} {lower} to {upper})"


def print_protocols(found: Sequence[Protocol], to: Console) -> None:
    """Print each protocol: its paper, its figures, and what differs."""
    for each in found:
        where = " ".join(part for part in (each.reference, each.url) if part)
        to.print(f"[bold]{each.name}[/bold]  {escape(each.title)}")
        if where:
            to.print(f"  {escape(where)}", soft_wrap=True)
        for title, lines in (("published", each.published), ("differs", each.differs)):
            for line in lines:
                to.print(f"  [dim]{title}[/dim]  {escape(line)}", soft_wrap=True)
        to.print()
    to.print("Next: greenstick experiment new --protocol NAME --cohort C -o e.toml")


def print_evidence(evidence: Evidence, page: Path) -> None:
    """Print every estimate with its interval and method, and where the report is."""
    table = Table("", "value", "interval", "method", box=None, pad_edge=False)
    estimates = [*evidence.discrimination, *evidence.calibration, *evidence.at_operating_point]
    for estimate in estimates:
        table.add_row(*_number(estimate), estimate.method)
    console.print(table)
    if evidence.subgroups:
        console.print(_subgroups(evidence))
    print_findings(evidence.findings)
    print_end(page)


def _subgroups(evidence: Evidence) -> Table:
    names = list(dict.fromkeys(e.name for one in evidence.subgroups for e in one.estimates))
    headers = [f"\n{name}" for name in ("within", "images", "fractured", *names)]
    table = Table(*headers, box=None, pad_edge=False)
    for one in evidence.subgroups:
        of = {estimate.name: _number(estimate)[1:] for estimate in one.estimates}
        cells = ["\n".join(of.get(name, ())) for name in names]
        table.add_row(subgroup_name(one), str(one.n_images), str(one.n_positive), *cells)
    return table


def subgroup_name(one: Subgroup) -> str:
    """Return what a table calls a subgroup, and whether it is too small to say anything."""
    return escape(f"{one.column} {one.value}") + (" (too small)" if one.too_small else "")


def print_findings(findings: Iterable[Finding]) -> None:
    """Print each finding that a reader should know of, once."""
    for finding in dict.fromkeys(findings):
        if finding.severity not in (Severity.PASSED, Severity.NOT_APPLICABLE):
            console.print(f"{finding.severity}: {finding.message} {finding.remedy}", markup=False)


def print_end(path: Path) -> None:
    """Print what every output ends with, and where the whole of it is."""
    console.print(f"[dim]{RESEARCH_USE}[/dim]")
    console.print(str(path), soft_wrap=True, markup=False)


def print_summary(summary: CohortSummary, title: str) -> None:
    """Print a cohort in numbers."""
    console.print(f"[bold]{escape(title)}[/bold]")
    console.print(summary.to_text(), markup=False)


def print_audit(audit: Audit, page: Path, cleaned: Path | None, dropped: int) -> None:
    """Print what the audit found, the gravest first, and where the details are."""
    order = list(Severity)
    told = [
        f for f in audit.findings if f.severity not in (Severity.PASSED, Severity.NOT_APPLICABLE)
    ]
    for finding in sorted(told, key=lambda f: order.index(f.severity), reverse=True):
        color = {Severity.ERROR: "red", Severity.WARNING: "yellow"}.get(finding.severity, "dim")
        console.print(f"[{color}]{finding.severity:>7}[/{color}]  ", end="")
        console.print(f"{finding.message} {finding.remedy}", markup=False)
    silent = len(audit.findings) - len(told)
    console.print(f"{audit.images} images; {silent} checks found nothing or do not apply.")
    if cleaned is not None:
        console.print(
            f"{cleaned}: {audit.images - dropped} images; {dropped} dropped", markup=False
        )
    elif audit.refused:
        console.print("Results on this cohort would be untrue: mend it, or use --drop FILE.")
    console.print(str(page), soft_wrap=True, markup=False)


def _remark(reading: Reading) -> str:
    return reading.reason or " ".join(reading.warnings)


def print_readings(readings: Sequence[Reading], folder: Path) -> None:
    """Print the first readings as a table, how many could not be read, and where all are."""
    table = Table("file", "probability", "decision", "", box=None, pad_edge=False)
    for reading in readings[:_SHOWN]:
        probability = "" if reading.probability is None else f"{reading.probability:.2f}"
        decision = reading.decision or ""
        said = "[yellow]not read[/yellow]" if reading.status == "not read" else decision
        table.add_row(escape(Path(reading.path).name), probability, said, escape(_remark(reading)))
    console.print(table)
    if len(readings) > _SHOWN:
        console.print(f"... and {len(readings) - _SHOWN} more")
    unread = sum(reading.status == "not read" for reading in readings)
    console.print(f"{len(readings) - unread} read, {unread} not read. {RESEARCH_USE}")
    without = sum(bool(reading.no_dicom) for reading in readings)
    if without:
        console.print(f"{without} read, but without DICOM results: readings.csv says why.")
    console.print(str(folder / "readings.csv"), soft_wrap=True, markup=False)
