"""Checks on patients, splits and classes."""

import polars as pl

from greenstick.cohorts.audit.outcome import Hit, Outcome, count, found, not_applicable, passed
from greenstick.cohorts.audit.seen import Seen
from greenstick.findings import Severity

#: Train, validation and test each need a patient of either class.
FEWEST_PATIENTS = 3
#: With fewer in a class, 80:10:10 leaves one or two to test on.
FEW_PATIENTS = 20

_NAMES = {0: "'no fracture'", 1: "'fracture'"}


def patients_across_splits(seen: Seen) -> Outcome:
    """Check that no patient is on two sides of the split."""
    code = "patient-across-splits"
    table = seen.cohort.table
    if table["split"].n_unique() - (table["split"].null_count() > 0) < 2:
        return not_applicable(code, "The cohort is not split yet.")
    if table["patient"].null_count() == len(table):
        return not_applicable(code, "The cohort names no patients: each image counts as one.")
    sides = table.with_row_index("row").filter(
        pl.col("patient").is_not_null() & pl.col("split").is_not_null()
    )
    torn = sides.filter(pl.col("split").n_unique().over("patient") > 1)
    if torn.is_empty():
        return passed(code, "No patient is on two sides of the split.")
    others = pl.col("split").unique().sort().str.join(" and ").over("patient")
    hits = [
        Hit(row, f"This patient is in {side}.") for row, side in torn.select("row", others).rows()
    ]
    patients = count(torn["patient"].n_unique(), "patient is", "patients are")
    message = f"{patients} on two sides of the split."
    remedy = "Split by patient ('greenstick cohort split'), or drop the rows outside training."
    return found(code, Severity.ERROR, message, hits, remedy=remedy)


def labels_missing(seen: Seen) -> Outcome:
    """Check that every image has a label."""
    code = "label-missing"
    rows = seen.cohort.table["label"].is_null().arg_true()
    if not len(rows):
        return passed(code, "Every image has a label.")
    hits = [Hit(row, "It has no label.") for row in rows]
    message = f"{count(len(hits), 'image has', 'images have')} no label."
    remedy = "They are used neither to train nor to test."
    return found(code, Severity.NOTE, message, hits, remedy=remedy)


def classes_too_small(seen: Seen) -> Outcome:
    """Check that each class has patients enough to be split."""
    code = "class-too-small"
    table = seen.cohort.table.select("label", patient=seen.cohort.patients())
    labels = table["label"].drop_nulls().unique().sort().to_list()
    if not labels:
        return not_applicable(code, "No image has a label.")
    if len(labels) == 1:
        message = (
            f"Every label is {_NAMES[labels[0]]}: one class can be neither learned nor tested."
        )
        return found(code, Severity.WARNING, message, [], remedy="Add images of the other class.")
    patients = table.group_by("label").agg(pl.col("patient").n_unique())
    label, fewest = patients.drop_nulls().sort("patient").row(0)
    if fewest >= FEW_PATIENTS:
        return passed(code, f"The smaller class has {count(fewest, 'patient')}.")
    message = f"Class {_NAMES[label]} has {count(fewest, 'patient')}: " + (
        "too few to be in train, valid and test."
        if fewest < FEWEST_PATIENTS
        else "a hold-out test would rest on one or two of them."
    )
    remedy = (
        "Add patients, or use cross-validation." if fewest >= FEWEST_PATIENTS else "Add patients."
    )
    return found(code, Severity.WARNING, message, [], remedy=remedy)


def splits_of_one_class(seen: Seen) -> Outcome:
    """Check that each side of a given split holds both classes."""
    code = "split-of-one-class"
    table = seen.cohort.table.select("split", "label").drop_nulls()
    if table.is_empty():
        return not_applicable(code, "The cohort is not split yet, or has no labels.")
    sides = table.group_by("split").agg(pl.col("label").n_unique())
    single = sides.filter(pl.col("label") < 2)["split"].sort().to_list()
    if not single:
        return passed(code, "Each side of the split holds both classes.")
    message = f"Only one class in {' and '.join(single)}."
    remedy = "Split stratified by label ('greenstick cohort split')."
    return found(code, Severity.WARNING, message, [], remedy=remedy)
