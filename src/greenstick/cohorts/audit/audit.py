"""The audit: every check on every image of a cohort."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from greenstick import RESEARCH_USE
from greenstick.cohorts.audit import annotations, classes, copies, files
from greenstick.cohorts.audit.looks import Progress, look_at_all
from greenstick.cohorts.audit.names import shown_names
from greenstick.cohorts.audit.outcome import Outcome
from greenstick.cohorts.audit.pairs import find_pairs
from greenstick.cohorts.audit.seen import Seen
from greenstick.cohorts.cohort import Cohort
from greenstick.files import write_text
from greenstick.findings import Finding, Severity, worst

#: Columns of ``Audit.rows``: one row a hit.
ROWS_SCHEMA: dict[str, pl.DataType] = {
    "row": pl.Int64(),  # row number in the cohort, from 0
    "image": pl.String(),
    "code": pl.String(),  # the check
    "severity": pl.String(),
    "message": pl.String(),
    "partner": pl.String(),  # image that it is a copy of, or null
    "partner_row": pl.Int64(),
    "name": pl.String(),  # the image, as it may be written down: without a patient's name
    "partner_name": pl.String(),
}

#: Every check, in the order of the report.
CHECKS: tuple[Callable[[Seen], Outcome], ...] = (
    files.missing,
    files.undecodable,
    files.blank,
    files.color,
    *copies.CHECKS,
    annotations.boxes_without_fracture,
    annotations.fracture_without_boxes,
    annotations.boxes_without_area,
    annotations.boxes_outside,
    annotations.boxes_overhanging,
    classes.patients_across_splits,
    classes.labels_missing,
    classes.classes_too_small,
    classes.splits_of_one_class,
)


@dataclass(frozen=True, eq=False)
class Audit:
    """What the checks found in a cohort.

    Attributes
    ----------
    findings
        One a check, passed and not applicable ones included; ``rows`` are row numbers.
    rows
        One row a hit, columns as in :data:`ROWS_SCHEMA`.
    images
        How many images the cohort has.
    """

    findings: list[Finding]
    rows: pl.DataFrame
    images: int

    @property
    def refused(self) -> bool:
        """Whether something would make a result untrue."""
        return worst(self.findings) is Severity.ERROR


def audit_cohort(
    cohort: Cohort, *, workers: int | None = None, progress: Progress | None = None
) -> Audit:
    """Read and decode each image once, then make every check.

    Parameters
    ----------
    cohort
        Any cohort; it is not changed.
    workers
        Threads that decode; None: one a core.
    progress
        Called with (done, total) after each image.
    """
    looks = look_at_all(cohort.paths(), workers=workers, progress=progress)
    seen = Seen(cohort, looks, find_pairs(looks))
    outcomes = [check(seen) for check in CHECKS]
    return Audit([outcome.finding for outcome in outcomes], _rows(cohort, outcomes), len(cohort))


def _rows(cohort: Cohort, outcomes: list[Outcome]) -> pl.DataFrame:
    images, names = cohort.table["image"].to_list(), shown_names(cohort)
    records = [
        (
            hit.row,
            images[hit.row],
            outcome.finding.code,
            outcome.finding.severity.value,
            hit.message,
            None if hit.partner is None else images[hit.partner],
            hit.partner,
            names[hit.row],
            None if hit.partner is None else names[hit.partner],
        )
        for outcome in outcomes
        for hit in outcome.hits
    ]
    return pl.DataFrame(records, schema=ROWS_SCHEMA, orient="row")


def write_audit_json(audit: Audit, path: Path | str) -> None:
    """Write an audit as JSON: research_use, images, refused, findings, rows.

    An image whose path holds its patient's name is called by its row number.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "research_use": RESEARCH_USE,
        "images": audit.images,
        "refused": audit.refused,
        "findings": [
            {
                "code": one.code,
                "severity": one.severity.value,
                "message": one.message,
                "rows": list(one.rows),
                "remedy": one.remedy,
            }
            for one in audit.findings
        ],
        "rows": [_written(hit) for hit in audit.rows.iter_rows(named=True)],
    }
    write_text(json.dumps(values, indent=2, ensure_ascii=False), path)


def _written(hit: dict[str, object]) -> dict[str, object]:
    return {
        "row": hit["row"],
        "image": hit["name"],
        "code": hit["code"],
        "severity": hit["severity"],
        "message": hit["message"],
        "partner_row": hit["partner_row"],
        "partner": hit["partner_name"],
    }
