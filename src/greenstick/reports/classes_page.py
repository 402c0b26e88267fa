"""The page of scores of several classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenstick.evidence.estimates import Estimate
from greenstick.evidence.evidence import Evidence
from greenstick.evidence.multiclass import ClassEvidence, read_class_evidence
from greenstick.findings import Finding
from greenstick.reports import figures
from greenstick.reports.comparing import grave
from greenstick.reports.templating import render, write_page
from greenstick.reports.wording import count, find

_FIGURES = ("AUROC", "average precision")
_CALLED = ("sensitivity", "specificity", "PPV", "F1")


@dataclass(frozen=True)
class ClassRow:
    """One class against the rest; ``figures`` in the order of the table's head."""

    name: str
    images: int
    figures: list[Estimate | None]


def write_classes_page(folder: Path) -> Path:
    """Write ``report.html`` beside a ``classes.json`` and return its path.

    Raises
    ------
    GreenstickError
        Where the file is missing or damaged.
    """
    evidence = read_class_evidence(folder / "classes.json")
    page = render("classes.html.j2", **_context(evidence, folder.resolve().name))
    return write_page(page, folder / "report.html")


def _context(evidence: ClassEvidence, name: str) -> dict[str, Any]:
    rows = [_row(one, of, evidence) for one, of in evidence.by_class.items()]
    shown = [i for i in range(len(_FIGURES + _CALLED)) if any(row.figures[i] for row in rows)]
    table = evidence.confusion
    return {
        "name": name,
        "lead": _lead(evidence),
        "evidence": evidence,
        "grave": grave(_findings(evidence)),
        "findings": _findings(evidence),
        "heat": None if table is None else figures.heat(table.classes, table.counts),
        "columns": [(_FIGURES + _CALLED)[i] for i in shown],
        "rows": [ClassRow(row.name, row.images, [row.figures[i] for i in shown]) for row in rows],
        "forest": figures.forest(
            [_forest_row(one, of) for one, of in evidence.by_class.items()],
            name="classes", axis="AUROC against the rest", line=None,
        ),
        "rocs": figures.rocs({one: of.roc for one, of in evidence.by_class.items() if of.roc.x}),
    }  # fmt: skip


def _lead(evidence: ClassEvidence) -> str:
    holds = "just one holds of an image" if evidence.kind == "multi-class" else "any may hold"
    return (
        f"{len(evidence.classes)} classes, of which {holds}, on "
        f"{count(evidence.n_images, 'image')} of {count(evidence.n_patients, 'patient')} "
        f"({evidence.rows} rows)."
    )


def _row(name: str, of: Evidence, evidence: ClassEvidence) -> ClassRow:
    # The answer of several classes is the highest score, not each class's own threshold.
    called = evidence.answers.get(name, of.at_operating_point)
    found = [find(of.discrimination, what) for what in _FIGURES]
    found += [find(called, what) for what in _CALLED]
    return ClassRow(name, of.n_positive, found)


def _forest_row(name: str, of: Evidence) -> figures.ForestRow:
    area = find(of.discrimination, "AUROC")
    if area is None:
        return figures.ForestRow(f"{name} ({of.n_positive:,})", None, None, None, faint=True)
    return figures.ForestRow(f"{name} ({of.n_positive:,})", area.value, area.lower, area.upper)


def _findings(evidence: ClassEvidence) -> list[Finding]:
    """Return findings on all classes, then those of each class that are its own."""
    found = list(evidence.findings)
    for of in evidence.by_class.values():
        found += [one for one in of.findings if one not in found]
    return found
