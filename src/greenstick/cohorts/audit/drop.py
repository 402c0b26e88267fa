"""Drop the rows that would make a result untrue, each with its reason.

The rule, in order:

1. A row with an error of its own (missing, does not decode, blank, color, box at odds) goes.
2. Of a patient on two sides of the split, the rows on one side stay: test before validation
   before training, so that a published test set stays what it was.
3. Of each group of copies whose labels agree, one patient's on one side stay: those of the copy on
   the side named first above, then labeled before unlabeled, annotated before not, the earliest
   row. Copies within a patient do no harm, since splits and intervals are by patient.
4. Of a group of copies whose labels disagree none stays: nobody can say which label is right.
"""

from pathlib import Path

import polars as pl

from greenstick.cohorts.audit.audit import Audit
from greenstick.cohorts.audit.copies import COPY_CODES
from greenstick.cohorts.audit.pairs import groups
from greenstick.cohorts.cohort import Cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.findings import Severity

#: Kept first, where copies or a patient's images are on several sides of the split.
_ORDER = {"test": 0, "valid": 1, "train": 2, None: 3}
_OF_A_GROUP = frozenset({*COPY_CODES, "patient-across-splits"})


def drop_rows(cohort: Cohort, audit: Audit) -> tuple[Cohort, pl.DataFrame]:
    """Return the cohort without the rows that would make a result untrue, and those rows.

    Parameters
    ----------
    cohort
        The audited cohort, unchanged since.
    audit
        Its audit.

    Returns
    -------
    cohort
        The rows that stay, in their order.
    dropped
        Columns ``image`` and ``reason`` (the check, then what is wrong), in row order.

    Raises
    ------
    GreenstickError
        Where no row would stay, or the audit is of another cohort.
    """
    if audit.images != len(cohort):
        raise GreenstickError(
            "The audit is of another cohort.", remedy="Audit this cohort again, then drop."
        )
    reasons = _own_errors(audit)
    reasons = _torn_patients(cohort, audit, reasons) | reasons
    reasons = _copies(cohort, audit, reasons) | reasons
    if len(reasons) == len(cohort):
        raise GreenstickError(
            "Every row of the cohort has an error: none would be left.",
            remedy="Read the audit's page; most often the paths or the boxes' units are wrong.",
        )
    kept = [row for row in range(len(cohort)) if row not in reasons]
    images = cohort.table["image"]
    rows = sorted(reasons)
    dropped = pl.DataFrame(
        {"image": [images[row] for row in rows], "reason": [reasons[row] for row in rows]},
        schema={"image": pl.String, "reason": pl.String},
    )
    return cohort.with_table(cohort.table[kept]), dropped


def drop_to(cohort: Cohort, audit: Audit, path: Path | str) -> pl.DataFrame:
    """Write the cleaned cohort at ``path`` and ``<stem>.dropped.parquet`` beside it.

    Returns the dropped rows (columns ``image``, ``reason``).
    """
    path = Path(path)
    cleaned, dropped = drop_rows(cohort, audit)
    write_cohort(cleaned, path)
    beside = path.with_name(f"{path.stem}.dropped.parquet")
    write_whole(beside, dropped.write_parquet)
    return dropped


def _errors(audit: Audit) -> pl.DataFrame:
    return audit.rows.filter(pl.col("severity") == Severity.ERROR.value)


def _own_errors(audit: Audit) -> dict[int, str]:
    own = _errors(audit).filter(~pl.col("code").is_in(list(_OF_A_GROUP)))
    first = own.unique("row", keep="first", maintain_order=True)
    return {
        row: f"{code}: {message}"
        for row, code, message in first.select("row", "code", "message").rows()
    }


def _torn_patients(cohort: Cohort, audit: Audit, gone: dict[int, str]) -> dict[int, str]:
    torn = _errors(audit).filter(pl.col("code") == "patient-across-splits")["row"].to_list()
    sides = cohort.table["split"]
    patients = cohort.patients()
    best: dict[str, int] = {}
    for row in torn:
        if row not in gone:
            place = _ORDER[sides[row]]
            best[patients[row]] = min(best.get(patients[row], place), place)
    return {
        row: f"patient-across-splits: in {sides[row]}, others of the patient are not."
        for row in torn
        if row not in gone and _ORDER[sides[row]] > best[patients[row]]
    }


def _copies(cohort: Cohort, audit: Audit, gone: dict[int, str]) -> dict[int, str]:
    hits = audit.rows.filter(pl.col("code").is_in(list(COPY_CODES)))
    pairs = hits.select("row", "partner_row").rows()
    images, labels = cohort.table["image"], cohort.table["label"]
    homes = list(zip(cohort.patients(), cohort.table["split"], strict=True))
    reasons: dict[int, str] = {}
    for group in groups(pairs):
        here = [row for row in group if row not in gone]
        if {labels[row] for row in group} >= {0, 1}:
            reasons |= dict.fromkeys(here, "copies-disagree: copies of it have another label.")
        elif here:
            kept = min(here, key=lambda row: _preference(cohort, row))
            reason = f"copy: a copy of {images[kept]} (row {kept}), which stays."
            reasons |= {row: reason for row in here if homes[row] != homes[kept]}
    return reasons


def _preference(cohort: Cohort, row: int) -> tuple[int, bool, bool, int]:
    label, boxes, split = cohort.table.select("label", "boxes", "split").row(row)
    return (_ORDER[split], label is None, boxes is None, row)
