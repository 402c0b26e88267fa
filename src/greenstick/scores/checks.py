"""What a table of scores lacks."""

import polars as pl

from greenstick.errors import GreenstickError
from greenstick.findings import Finding, Severity
from greenstick.scores.columns import need_columns


def check_scores(table: pl.DataFrame) -> list[Finding]:
    """Return what a table of scores lacks: labels, scores, patients, or one row an image.

    Raises
    ------
    GreenstickError
        Where ``label`` or ``score`` is missing.
    """
    need_columns(table, "label", "score")
    score = table["score"].cast(pl.Float64)
    unread = score.is_null() | ~score.is_finite().fill_null(False)
    return [
        _found("missing-labels", table["label"].is_null(), "rows have no label"),
        _found("missing-scores", unread, "rows have no finite score"),
        _twice(table),
        _patients(table),
    ]


def _found(code: str, odd: pl.Series, what: str) -> Finding:
    rows = tuple(odd.arg_true().to_list())
    if not rows:
        return Finding(code, Severity.PASSED, f"No {what}.")
    return Finding(
        code,
        Severity.ERROR,
        f"{len(rows)} of {len(odd)} {what}.",
        rows,
        "Find out why; leave them out only if you say so in the report.",
    )


def _twice(table: pl.DataFrame) -> Finding:
    if "image" not in table.columns:
        return Finding(
            "duplicate-rows", Severity.NOT_APPLICABLE, "No column 'image': copies go unnoticed."
        )
    by = ("image", "model", "repeat", "reader", "modality")
    key = [name for name in by if name in table.columns]
    copies = pl.struct(key).is_duplicated() & pl.col("image").is_not_null()
    rows = tuple(table.select(copies).to_series().arg_true().to_list())
    if not rows:
        return Finding("duplicate-rows", Severity.PASSED, "Each image is listed once.")
    return Finding(
        "duplicate-rows",
        Severity.ERROR,
        f"{len(rows)} rows list an image that another row lists too.",
        rows,
        "Keep one row an image, model and repeat; a name that several images share is the "
        "patient's.",
    )


def refuse_copies(table: pl.DataFrame) -> None:
    """Refuse a table that lists an image twice: it would count twice."""
    found = _twice(table)
    if found.severity is Severity.ERROR:
        raise GreenstickError(found.message, remedy=found.remedy)


def _patients(table: pl.DataFrame) -> Finding:
    known = table.height - table["patient"].null_count() if "patient" in table.columns else 0
    if known == table.height:
        return Finding("patients-known", Severity.PASSED, "Each row names its patient.")
    return Finding(
        "patients-unknown",
        Severity.NOTE,
        f"{table.height - known} of {table.height} rows name no patient: each is taken as a "
        "patient of its own, and intervals are too narrow where that is untrue.",
        remedy="Add a column 'patient'.",
    )
