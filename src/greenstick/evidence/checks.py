"""What would make a number untrue, or would let a reader believe too much of it."""

import numpy as np
import polars as pl

from greenstick.evidence.rows import Bools, ScoredRows
from greenstick.findings import Finding, Severity

#: Fewer patients than this in a class, and its intervals are too wide to conclude from.
FEW_PATIENTS = 10


def check_rows(rows: ScoredRows) -> list[Finding]:
    """Return what the labels, scores and patients say about the numbers to come."""
    return [
        _classes(rows),
        _probabilities(rows),
        _spread(rows),
        _clusters(rows),
    ]


def _classes(rows: ScoredRows) -> Finding:
    with_fracture, without = rows.patients_by_class
    if not with_fracture or not without:
        return Finding(
            "one-class-only",
            Severity.WARNING,
            f"All {len(rows)} images have {'no' if without else 'a'} fracture: "
            "no AUROC can be computed.",
            remedy="Judge on images with and without fractures.",
        )
    if min(with_fracture, without) < FEW_PATIENTS:
        return Finding(
            "too-few-patients",
            Severity.WARNING,
            f"Only {with_fracture} patients with and {without} without a fracture: "
            "intervals are wide, and may be wrong.",
            remedy=f"Judge on at least {FEW_PATIENTS} patients of each, better 100.",
        )
    return Finding(
        "both-classes",
        Severity.PASSED,
        f"{with_fracture} patients with and {without} without a fracture.",
    )


def _probabilities(rows: ScoredRows) -> Finding:
    low, high = float(rows.scores.min()), float(rows.scores.max())
    percent = low >= 0 and 1 < high <= 100 and high > 20
    if rows.probabilities:
        return Finding("scores-are-probabilities", Severity.PASSED, "Scores lie within 0 and 1.")
    return Finding(
        "scores-not-probabilities",
        Severity.NOTE,
        f"Scores run from {low:.3g} to {high:.3g}: they are taken as logits or ranks, and "
        "calibration is not judged.",
        remedy="If they are percentages, divide them by 100 (--percent)."
        if percent
        else "Calibrate them on other rows first to have their probabilities judged.",
    )


def _spread(rows: ScoredRows) -> Finding:
    distinct = len(np.unique(rows.scores))
    if distinct == 1:
        return Finding(
            "constant-score",
            Severity.WARNING,
            "Every image has the same score: the model says nothing.",
            remedy="Check the column and the model.",
        )
    if distinct <= FEW_PATIENTS and len(rows) > 5 * distinct:
        return Finding(
            "few-distinct-scores",
            Severity.NOTE,
            f"Only {distinct} distinct scores: ties count half in the AUROC, and few thresholds "
            "exist.",
        )
    return Finding("scores-differ", Severity.PASSED, f"{distinct} distinct scores.")


def _clusters(rows: ScoredRows) -> Finding:
    if not rows.clustered:
        return Finding("one-image-a-patient", Severity.PASSED, "Each patient has one image.")
    largest = int(np.bincount(rows.patients).max())
    return Finding(
        "patients-with-several-images",
        Severity.NOTE,
        f"{len(rows)} rows of {rows.n_patients} patients, up to {largest} each: intervals allow "
        "for it, and would be too narrow otherwise.",
    )


def check_calls(calls: Bools | None) -> list[Finding]:
    """Return a warning where every image is called a fracture, or none is."""
    if calls is None or (calls.any() and not calls.all()):
        return []
    return [
        Finding(
            "one-call-only",
            Severity.WARNING,
            f"{'Every' if calls.all() else 'No'} image is called a fracture: the operating point "
            "tells none from another.",
            remedy="Make sure that the threshold is on the scale of the scores (0.5, or 50?).",
        )
    ]


def check_pooling(table: pl.DataFrame) -> list[Finding]:
    """Return what to know where rows of several splits, folds or repeats are judged together."""
    findings = []
    splits = table["split"].drop_nulls().unique().sort() if "split" in table.columns else ()
    if len(splits) > 1:
        findings.append(
            Finding(
                "several-splits",
                Severity.ERROR,
                f"Rows of {' and '.join(map(str, splits))} are judged together: some of them were "
                "used to make the model.",
                remedy="Judge the test rows alone.",
            )
        )
    for column, things in (("fold", "folds"), ("repeat", "repeats")):
        if column in table.columns and table[column].n_unique() > 1:
            findings.append(
                Finding(
                    f"{things}-pooled",
                    Severity.NOTE,
                    f"Scores of {table[column].n_unique()} {things} are judged together: each "
                    f"{column} has a model of its own, and their scores may differ in scale.",
                )
            )
    return findings
