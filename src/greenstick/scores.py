"""Scores: one row a read image, from any model; the hinge between pixels and evidence."""

from pathlib import Path

import polars as pl

from greenstick.errors import GreenstickError

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
}


def write_scores(table: pl.DataFrame, path: Path | str) -> None:
    """Write a scores table as Parquet, or as CSV where the name ends so."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")  # a killed write leaves the old file whole
    if path.suffix.lower() == ".csv":
        table.write_csv(part)
    else:
        table.write_parquet(part)
    part.replace(path)


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
    """Refuse a table that lacks a column."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise GreenstickError(
            f"The scores have no column {' and no column '.join(map(repr, missing))}.",
            remedy=f"They have: {', '.join(table.columns)}. Say which one is meant, or rename it.",
        )


def read_scores(path: Path | str) -> pl.DataFrame:
    """Read a scores table from CSV or Parquet.

    Raises
    ------
    GreenstickError
        Where the file is missing, cannot be read, or has no ``label`` or ``score``.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There are no scores {path}.", remedy="Check the path.")
    reader = pl.read_parquet if path.suffix.lower() == ".parquet" else pl.read_csv
    try:
        table = reader(path)
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(
            f"{path} can be read neither as Parquet nor as CSV.",
            remedy="Save the scores as CSV with a header line, or as Parquet.",
        ) from None
    need_columns(table, "label", "score")
    return table
