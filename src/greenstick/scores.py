"""Scores: one row a read image, from any model; the hinge between pixels and evidence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.findings import Finding, Severity

#: Columns that have a meaning here; any others are subgroup columns and kept as they are.
KNOWN_COLUMNS = {
    "image": "path or name of the image",
    "patient": "who it shows; null: the image is a patient of its own",
    "label": "1 fracture, 0 no fracture",
    "score": "the model's answer, higher means fracture; a probability where within 0 and 1",
    "raw_score": "the score before calibration",
    "logit": "the network's output before calibration",
    "decision": "true where the model calls a fracture, at the threshold of the row's own fold",
    "model": "which model gave the score",
    "repeat": "number of the repetition of cross-validation",
    "fold": "number of the fold that the image was tested in",
    "split": "valid or test",
    "reader": "in a reader study, who gave the score",
    "modality": "in a reader study, how the image was read, e.g. without or with AI",
}
#: Columns that hold names, and are read as text whatever they look like.
NAMES = ("image", "patient", "reader", "modality", "case")
#: What an empty cell of a CSV looks like in the wild.
EMPTY = ["", "NA", "N/A", "NaN", "nan"]

#: What others call our columns; only ever suggested, never assumed.
OFTEN = {
    "label": ("target", "y_true", "truth", "ground_truth", "gt", "fracture", "fractured", "class"),
    "score": ("pred", "prediction", "y_pred", "y_score", "prob", "probability", "confidence"),
    "image": ("file", "filename", "file_name", "image_id", "path", "accession"),
    "patient": ("patient_id", "patientid", "subject", "case"),
}

Pooling = Literal["max", "mean", "noisy-or"]


def read_scores(
    path: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
) -> pl.DataFrame:
    """Read the scores of any model from CSV or Parquet.

    A CSV may be separated by commas, semicolons (with decimal commas) or tabs. Patients and images
    are read as text, so that patient 007 is not patient 7.

    Parameters
    ----------
    path
        The file; ``.parquet`` is Parquet, anything else CSV with a header line.
    columns
        Our name to the file's name, e.g. ``{"label": "ground_truth", "score": "p_fracture"}``.
    positive, negative
        What the file calls a fracture and no fracture, where its labels are not 0 and 1. With
        ``positive`` alone everything else is no fracture.

    Raises
    ------
    GreenstickError
        Where the file is missing or unreadable, a column is missing, or values are no labels or
        numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There are no scores {path}.", remedy="Check the path.")
    try:
        if path.suffix.lower() == ".parquet":
            table = pl.read_parquet(path)
        else:
            table = _read_csv(path, dict(columns or {}))
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(
            f"{path} can be read neither as Parquet nor as CSV.",
            remedy="Save the scores as CSV with a header line, or as Parquet.",
        ) from None
    return tidy_scores(table, columns=columns, positive=positive, negative=negative)


def _read_csv(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline()
    separator = max(",;\t", key=header.count)
    as_text = [columns.get(name, name) for name in NAMES]
    names = [name.strip().strip('"') for name in header.split(separator)]
    return pl.read_csv(
        path,
        separator=separator,
        decimal_comma=separator == ";",
        null_values=EMPTY,
        encoding="utf8-lossy",
        infer_schema_length=None,
        schema_overrides={name: pl.String for name in as_text if name in names},
    )


def tidy_scores(
    table: pl.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
) -> pl.DataFrame:
    """Return a table in our names, labels as Int8 0/1, scores as Float64; see :func:`read_scores`.

    A column that already has a name which another one is given is kept as ``<name>_before``.
    """
    given = {ours: theirs for ours, theirs in (columns or {}).items() if ours != theirs}
    need_columns(table, *given.values())
    clash = {name: f"{name}_before" for name in given if name in table.columns}
    table = table.rename(clash).rename({clash.get(t, t): ours for ours, t in given.items()})
    need_columns(table, "label", "score")
    return table.with_columns(
        binary_labels(table["label"], positive, negative), _numbers(table["score"])
    )


def binary_labels(
    labels: pl.Series, positive: Sequence[str] = (), negative: Sequence[str] = ()
) -> pl.Series:
    """Return labels as Int8 0/1, nulls kept.

    Raises
    ------
    GreenstickError
        Where a value is neither 0 nor 1 nor named in ``positive`` or ``negative``.
    """
    if positive or negative:
        return _named_labels(labels.cast(pl.String), positive, negative)
    numbers = labels.cast(pl.Float64, strict=False)
    lost = numbers.is_null() & labels.is_not_null()
    odd = lost | ~(numbers.is_in([0.0, 1.0]) | numbers.is_null())
    if odd.any():
        found = sorted(map(str, labels.filter(odd).unique().head(5)))
        raise GreenstickError(
            f"Labels must be 0 or 1; found {', '.join(found)}.",
            remedy="Say which of these mean a fracture (positive=...).",
        )
    return numbers.cast(pl.Int8).alias("label")


def _named_labels(labels: pl.Series, positive: Sequence[str], negative: Sequence[str]) -> pl.Series:
    yes, no = list(map(str, positive)), list(map(str, negative))
    if not yes:
        raise GreenstickError(
            "No label is said to mean a fracture.", remedy="Name at least one (positive=...)."
        )
    known = set(labels.drop_nulls().unique())
    unknown = (known - set(yes) - set(no)) if no else set()
    absent = set(yes) - known
    if unknown or absent == set(yes):
        raise GreenstickError(
            f"The labels found are {', '.join(sorted(known)[:5])}: "
            + ("some are neither positive nor negative." if unknown else "none is positive."),
            remedy="Name all of them; leave out rows of unknown label.",
        )
    return labels.is_in(yes).cast(pl.Int8).alias("label")


def _numbers(scores: pl.Series) -> pl.Series:
    numbers = scores.cast(pl.Float64, strict=False)
    odd = scores.filter(numbers.is_null() & scores.is_not_null())
    if len(odd):
        raise GreenstickError(
            f"{len(odd)} scores are no numbers, first {odd[0]!r}.",
            remedy="Correct them, or name the column that holds the score.",
        )
    return numbers.alias("score")


def write_scores(table: pl.DataFrame, path: Path | str) -> None:
    """Write a scores table as Parquet, or as CSV where the name ends so."""
    path = Path(path)
    is_csv = path.suffix.lower() == ".csv"
    write_whole(path, table.write_csv if is_csv else table.write_parquet)


def patients_of(table: pl.DataFrame) -> pl.Series:
    """Return the patient of each row; a row without one is a patient of its own.

    The same image in several repeats stays one patient.
    """
    if "image" in table.columns:
        own = pl.concat_str(pl.lit("image:"), pl.col("image").cast(pl.String))
    else:
        own = pl.concat_str(pl.lit("row:"), pl.int_range(pl.len()).cast(pl.String))
    if "patient" not in table.columns:
        return table.select(own.alias("patient")).to_series()
    given = pl.col("patient").cast(pl.String)
    return table.select(pl.coalesce(given, own).alias("patient")).to_series()


def need_columns(table: pl.DataFrame, *names: str) -> None:
    """Refuse a table that lacks a column, and say which of its own may be meant."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        guesses = [f"{name!r} is {guess!r}" for name in missing for guess in _likely(table, name)]
        perhaps = f" Perhaps {' and '.join(guesses)}?" if guesses else ""
        raise GreenstickError(
            f"The scores have no column {' and no column '.join(map(repr, missing))}.",
            remedy=f"They have: {', '.join(table.columns)}. Say which one is meant.{perhaps}",
        )


def _likely(table: pl.DataFrame, name: str) -> list[str]:
    """Return the first column that often goes by this name's meaning elsewhere, or none."""
    return [c for c in table.columns if c.casefold().replace(" ", "_") in OFTEN.get(name, ())][:1]


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
    rows = tuple(table.select(pl.struct(key).is_duplicated()).to_series().arg_true().to_list())
    if not rows:
        return Finding("duplicate-rows", Severity.PASSED, "Each image is listed once.")
    return Finding(
        "duplicate-rows",
        Severity.ERROR,
        f"{len(rows)} rows list an image that another row lists too.",
        rows,
        "Keep one row an image, model and repeat.",
    )


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


def pool_by_patient(table: pl.DataFrame, how: Pooling = "max") -> pl.DataFrame:
    """Return one row a patient (and model and repeat): fractured where any image is.

    A patient with an unscored image has no score: an unread image is not a negative one.

    Parameters
    ----------
    table
        Scores by image. Further columns are kept where they agree within the patient, else null;
        ``decision`` is kept by ``max`` only (a call for any image is one for the patient).
    how
        ``max`` or ``mean`` of the scores, or ``noisy-or``: the chance that at least one image is
        truly fractured if their errors were independent, 1 - prod(1 - score).

    Raises
    ------
    GreenstickError
        Where ``noisy-or`` meets scores outside [0, 1].
    """
    need_columns(table, "label", "score")
    if how == "noisy-or" and not table["score"].drop_nulls().is_between(0, 1).all():
        raise GreenstickError(
            "Noisy-or needs probabilities.", remedy="Calibrate the scores, or pool by max or mean."
        )
    score = pl.col("score")
    pooled = {
        "max": score.max(),
        "mean": score.mean(),
        "noisy-or": 1 - (1 - score).product(),
    }[how]
    by = ["patient", *(name for name in ("model", "repeat") if name in table.columns)]
    left_out = {*by, "image", "label", "score", "raw_score", "logit", "decision"}
    others = [pl.col(name) for name in table.columns if name not in left_out]
    calls = [pl.col("decision").any()] if how == "max" and "decision" in table.columns else []
    return (
        table.with_columns(patients_of(table))
        .group_by(by, maintain_order=True)
        .agg(
            pl.col("label").max(),
            pl.when(score.null_count() == 0).then(pooled).alias("score"),
            *calls,
            pl.len().alias("n_images"),
            *(pl.when(c.n_unique() == 1).then(c.first()).name.keep() for c in others),
        )
    )
