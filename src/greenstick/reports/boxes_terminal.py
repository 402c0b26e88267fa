"""What the verb 'evaluate boxes' prints."""

from pathlib import Path

from rich.table import Table

from greenstick.evidence.detection import DetectionEvidence
from greenstick.evidence.estimates import Estimate
from greenstick.reports.terminal import console, print_end, print_findings, subgroup_name


def print_detection(evidence: DetectionEvidence, path: Path) -> None:
    """Print every estimate of a detector with its interval, and where the numbers are."""
    table = Table("", "value", "95% interval", box=None, pad_edge=False)
    parts = (evidence.average_precision, evidence.rankings, evidence.froc, evidence.at_confidence)
    for estimate in (estimate for part in parts for estimate in part):
        table.add_row(*_row(estimate, estimate.name))
    for kind in evidence.by_class if len(evidence.by_class) > 1 else ():
        for estimate in kind.estimates:
            table.add_row(*_row(estimate, f"{estimate.name}, {kind.name}"))
    console.print(
        f"{evidence.n_images} images of {evidence.n_patients} patients, {evidence.n_fractured} of "
        f"them with {evidence.n_boxes} true boxes; {evidence.n_predictions} boxes predicted.",
        markup=False,
    )
    if evidence.confidence is not None:
        point = evidence.confidence
        console.print(
            f"Boxes are shown from {point.threshold:.3g} ({point.rule}, {point.chosen_on})."
        )
    console.print(table)
    if evidence.subgroups:
        console.print(_subgroups(evidence))
    print_findings(evidence.findings)
    print_end(path)


def _subgroups(evidence: DetectionEvidence) -> Table:
    names = [estimate.name for estimate in evidence.subgroups[0].estimates]
    table = Table("", "images", "boxes", *names, box=None, pad_edge=False)
    for one in evidence.subgroups:
        values = ["-" if e.value is None else f"{e.value:.3f}" for e in one.estimates]
        table.add_row(subgroup_name(one), str(one.n_images), str(one.n_boxes), *values)
    return table


def _row(estimate: Estimate, name: str) -> tuple[str, str, str]:
    if estimate.value is None:
        return name, "-", estimate.method
    limits = [limit for limit in (estimate.lower, estimate.upper) if limit is not None]
    return name, f"{estimate.value:.3f}", " to ".join(f"{v:.3f}" for v in limits)
