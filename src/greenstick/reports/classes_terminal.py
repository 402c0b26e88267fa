"""What ``greenstick evaluate`` prints of several classes."""

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from greenstick.evidence.estimates import Estimate
from greenstick.evidence.multiclass import ClassEvidence
from greenstick.findings import Severity
from greenstick.reports.terminal import console, print_end


def print_class_evidence(evidence: ClassEvidence, path: Path) -> None:
    """Print figures over all classes, each class, who was taken for whom, and findings."""
    console.print(
        f"{evidence.n_images} images of {evidence.n_patients} patients, "
        f"{len(evidence.classes)} classes ({evidence.kind}).\n"
    )
    table = Table("", "value", "interval", box=None, pad_edge=False)
    for estimate in evidence.overall:
        table.add_row(estimate.name, _value(estimate), _interval(estimate))
    console.print(table)
    _print_classes(evidence)
    _print_confusion(evidence)
    _print_findings(evidence)
    print_end(path)


def _value(estimate: Estimate) -> str:
    return "not estimable" if estimate.value is None else f"{estimate.value:.3f}"


def _interval(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"({estimate.level:.0%} {estimate.lower:.3f} to {estimate.upper:.3f})"


def _print_classes(evidence: ClassEvidence) -> None:
    table = Table("\nclass", "\nimages", "\nAUROC", "\nsensitivity", "\nspecificity", "\nPPV")
    table.box, table.pad_edge = None, False
    for name, judged in evidence.by_class.items():
        answered = judged.at_operating_point or evidence.answers.get(name, [])
        of = {e.name: e for e in (judged.estimate("AUROC"), *answered)}
        wanted = ("AUROC", "sensitivity", "specificity", "PPV")
        cells = [_short(of[figure]) if figure in of else "" for figure in wanted]
        table.add_row(escape(name), str(judged.n_positive), *cells)
    console.print(table)


def _short(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.lower is None or estimate.upper is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.lower:.2f}-{estimate.upper:.2f})"


def _print_confusion(evidence: ClassEvidence) -> None:
    if evidence.confusion is None:
        return
    names = [escape(name) for name in evidence.confusion.classes]
    table = Table("\nis, and is taken for", *(f"\n{name}" for name in names))
    table.box, table.pad_edge = None, False
    for name, counts in zip(names, evidence.confusion.counts, strict=True):
        table.add_row(name, *map(str, counts))
    console.print(table)


def _print_findings(evidence: ClassEvidence) -> None:
    """Print each finding once, with the classes that it is about where these are not all."""
    grave = (Severity.NOTE, Severity.WARNING, Severity.ERROR)
    about = {f: [""] for f in evidence.findings if f.severity in grave}
    for name, judged in evidence.by_class.items():
        for finding in judged.findings:
            if finding.severity in grave:
                about.setdefault(finding, []).append(name)
    for finding, names in about.items():
        every = names == [""] or len(names) == len(evidence.classes)
        whose = "" if every else f"{', '.join(names)}: "
        text = f"{finding.severity}: {whose}{finding.message} {finding.remedy}"
        console.print(text, markup=False)
