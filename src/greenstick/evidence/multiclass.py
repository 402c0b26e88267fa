"""Several kinds of finding: each class against the rest, and all of them together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import Field

from greenstick import RESEARCH_USE
from greenstick.decision.calibration import Calibration
from greenstick.decision.operating_points import OperatingPoint
from greenstick.errors import GreenstickError
from greenstick.evidence.arguments import as_list, one_model
from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.class_figures import estimable, overall
from greenstick.evidence.class_rows import (
    LABEL,
    SCORE,
    ClassRows,
    Kind,
    classes_of,
    kind_of,
    to_class_rows,
)
from greenstick.evidence.estimates import Estimate, Record, named
from greenstick.evidence.evidence import Evidence, calls_of, evaluate
from greenstick.evidence.record_files import read_record, write_record
from greenstick.evidence.rows import Bools, Missing, count
from greenstick.findings import Finding, Severity

CLASSES_VERSION = "1"
Points = Mapping[str, OperatingPoint | Sequence[OperatingPoint]]
#: Columns of one class, beside its score; they are taken along where they are there.
BESIDE = ("logit_", "decision_")


class ClassConfusion(Record):
    """How many images of each class got each answer.

    ``counts[i][j]`` images of class i were taken for class j.
    """

    classes: list[str]
    counts: list[list[int]]


class ClassEvidence(Record):
    """What ``classes.json`` holds.

    Attributes
    ----------
    schema_version
        Grows when a field changes its meaning.
    research_use
        The sentence that every output carries.
    kind
        ``"multi-class"``: just one class holds of an image. ``"multi-label"``: any of them may.
    model, rows
        Whose scores of which rows were judged.
    classes
        Names, in order.
    n_images, n_patients
        Distinct images, and patients.
    overall
        ``AUROC macro`` (the mean over classes) and ``AUROC weighted`` (by how common each is),
        ``average precision macro``; where classes are called ``sensitivity macro``, ``F1 macro``
        and ``accuracy`` with ``Cohen's kappa`` (multi-class, of the highest score) or ``all
        classes right`` (multi-label); of multi-class probabilities ``log loss``, ``Brier score``
        (0 to 2) and ``ECE of the top class``.
    by_class
        Each class against the rest, judged like any two-class scores.
    answers, confusion
        Of multi-class rows: the figures of each class where the highest score is the answer, and
        how often each class was taken for each.
    findings
        On all classes together; each class has its own besides.
    """

    schema_version: str = CLASSES_VERSION
    research_use: str = RESEARCH_USE
    kind: Kind
    model: str = ""
    rows: str
    classes: list[str]
    n_images: int
    n_patients: int
    overall: list[Estimate]
    by_class: dict[str, Evidence]
    answers: dict[str, list[Estimate]] = Field(default_factory=dict)
    confusion: ClassConfusion | None = None
    findings: list[Finding] = Field(default_factory=list)

    def estimate(self, name: str) -> Estimate:
        """Return a figure over all classes, e.g. ``evidence.estimate("AUROC macro")``."""
        return named(self.overall, name, where="evidence")

    @property
    def untrue(self) -> bool:
        """Whether a finding, on all classes or on one, makes a number untrue."""
        own = any(finding.severity is Severity.ERROR for finding in self.findings)
        return own or any(evidence.untrue for evidence in self.by_class.values())


def evaluate_classes(
    scores: pl.DataFrame,
    *,
    classes: Sequence[str] | None = None,
    kind: Kind | None = None,
    points: Points | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    rows: str,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
    subgroups: Sequence[str] = (),
    missing: Missing = "refuse",
) -> ClassEvidence:
    """Judge the scores of one model for several classes.

    Parameters
    ----------
    scores
        ``score_<class>`` for each class, higher means the class; multi-class ``label``, the name
        of each image's class; multi-label ``label_<class>``, 0 or 1, null where unknown.
        Optionally ``image``, ``patient``, ``repeat``, ``fold``, subgroup columns, and
        ``logit_<class>`` and ``decision_<class>``.
    classes
        Names, in order; those that have scores if not given.
    kind
        Whether they exclude each other; read off the columns if not given.
    points
        Class to its operating point (several, one a fold, in cross-validation): where a class is
        called against the rest. Multi-class answers are those of the highest score nevertheless.
    calibrations
        Class to what made its scores: kept and checked, not applied.
    rows, seed, replicates, level, subgroups
        As for :func:`~greenstick.evidence.evidence.evaluate`.
    missing
        ``"refuse"`` rows without label or score, or ``"drop"`` them with a warning.

    Raises
    ------
    GreenstickError
        Where the columns are not those of several classes, a label is of none, a point names no
        class, or the table holds several models.
    """
    model = one_model(scores)
    kind = kind or kind_of(scores) or "multi-class"
    names = list(classes) if classes is not None else classes_of(scores)
    judged, table = to_class_rows(scores, names, kind, missing)
    points = points or {}
    _check_points(points, names)
    calls = _calls(judged, table, points)
    return ClassEvidence(
        kind=kind,
        model=model,
        rows=rows,
        classes=names,
        n_images=count(judged.images),
        n_patients=judged.n_patients,
        overall=overall(judged, calls, level=level, replicates=replicates, seed=seed),
        by_class={
            name: evaluate(
                table_of_class(table, name, kind),
                point=points.get(name),
                calibration=(calibrations or {}).get(name),
                rows=rows,
                seed=seed,
                replicates=replicates,
                level=level,
                subgroups=subgroups,
            )
            for name in names
        },
        answers=_answers(judged, level) if kind == "multi-class" else {},
        confusion=_confusion(judged) if kind == "multi-class" else None,
        findings=_findings(judged, scores.height - table.height),
    )


def _check_points(points: Points, names: Sequence[str]) -> None:
    strange = [name for name in points if name not in names]
    if strange:
        raise GreenstickError(
            f"There is an operating point for {strange[0]!r}, which is no class.",
            remedy=f"The classes are: {', '.join(names)}.",
        )


def table_of_class(table: pl.DataFrame, name: str, kind: Kind) -> pl.DataFrame:
    """Return the scores table of one class against the rest.

    Images of which it is unknown whether they are of the class are left out.
    """
    others = (LABEL, SCORE, *BESIDE)
    shared = table.select(c for c in table.columns if not c.startswith(others) and c != "label")
    if kind == "multi-class":
        label = (table["label"].cast(pl.String) == name).cast(pl.Int8)
    else:
        label = table[LABEL + name].cast(pl.Float64).cast(pl.Int8)
    beside = [
        table[prefix + name].alias(prefix.removesuffix("_"))
        for prefix in BESIDE
        if prefix + name in table.columns
    ]
    one = shared.with_columns(label.alias("label"), table[SCORE + name].alias("score"), *beside)
    return one.filter(pl.col("label").is_not_null())


def _calls(rows: ClassRows, table: pl.DataFrame, points: Points) -> Bools | None:
    """Return (k, n) calls: of the highest score, or of each class's own point or decisions."""
    if rows.kind == "multi-class":
        return highest(rows)
    found = []
    for name in rows.classes:
        one = table.with_columns(table[SCORE + name].alias("score")).drop("decision", strict=False)
        if f"decision_{name}" in table.columns:
            one = one.with_columns(table[f"decision_{name}"].alias("decision"))
        calls = calls_of(one, as_list(points.get(name)))
        if calls is None:
            return None
        found.append(calls)
    return np.stack(found)


def highest(rows: ClassRows) -> Bools:
    """Return (k, n) true for the class of the highest score, the first one of equals."""
    return np.asarray(np.arange(len(rows.classes))[:, None] == rows.scores.argmax(axis=0))


def _answers(rows: ClassRows, level: float) -> dict[str, list[Estimate]]:
    calls = highest(rows)
    return {
        name: at_operating_point(rows.of_class(i), calls[i], level)
        for i, name in enumerate(rows.classes)
    }


def _confusion(rows: ClassRows) -> ClassConfusion:
    counts = rows.labels.astype(np.int64) @ highest(rows).astype(np.int64).T
    return ClassConfusion(classes=list(rows.classes), counts=counts.tolist())


def _findings(rows: ClassRows, dropped: int) -> list[Finding]:
    findings = []
    if dropped:
        findings.append(
            Finding(
                "rows-left-out",
                Severity.WARNING,
                f"{dropped} rows without label or score were left out: what a model cannot read "
                "counts against it.",
            )
        )
    without = sorted(set(range(len(rows.classes))) - set(estimable(rows)))
    if without:
        names = ", ".join(rows.classes[i] for i in without)
        findings.append(
            Finding(
                "classes-not-estimable",
                Severity.WARNING,
                f"All images or none are of {names}: means over classes leave it out.",
                remedy="Judge on images of every class.",
            )
        )
    if rows.kind == "multi-class" and not rows.probabilities:
        findings.append(
            Finding(
                "scores-not-shares",
                Severity.NOTE,
                "The scores of an image do not sum to 1: the highest is its answer, and how "
                "probable that is, is not judged over all classes.",
                remedy="Apply the softmax, or judge the classes as labels of their own.",
            )
        )
    return findings


def write_class_evidence(evidence: ClassEvidence, path: Path | str) -> None:
    """Write ``classes.json``."""
    write_record(evidence, path)


def read_class_evidence(path: Path | str) -> ClassEvidence:
    """Read ``classes.json``.

    Raises
    ------
    GreenstickError
        Where it is missing or no evidence of this version.
    """
    return read_record(
        ClassEvidence,
        path,
        what=f"evidence of version {CLASSES_VERSION}",
        make="Evaluate scores of several classes.",
        again="Evaluate again.",
    )
