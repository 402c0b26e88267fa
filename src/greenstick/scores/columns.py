"""What the columns of a table of scores mean."""

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
    "reader": "in a reader study, who gave the score",
    "modality": "in a reader study, how the image was read, e.g. without or with AI",
}
#: What others call our columns; only ever suggested, never assumed.
OFTEN = {
    "label": ("target", "y_true", "truth", "ground_truth", "gt", "fracture", "fractured", "class"),
    "score": ("pred", "prediction", "y_pred", "y_score", "prob", "probability", "confidence"),
    "image": ("file", "filename", "file_name", "image_id", "path", "accession"),
    "patient": ("patient_id", "patientid", "subject", "case"),
}


def name_images(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose images have names; one without is called by its row, ``row 1``."""
    given = [pl.col("image").cast(pl.String)] if "image" in table.columns else []
    row = pl.format("row {}", pl.int_range(1, pl.len() + 1))
    return table.with_columns(image=pl.coalesce(*given, row))


def patients_of(table: pl.DataFrame) -> pl.Series:
    """Return the patient of each row; a row without one is a patient of its own.

    The same image in several repeats stays one patient.
    """
    own = pl.concat_str(pl.lit("image:"), pl.col("image"))
    given = [pl.col("patient").cast(pl.String)] if "patient" in table.columns else []
    return name_images(table).select(patient=pl.coalesce(*given, own)).to_series()


def names_patients(table: pl.DataFrame) -> bool:
    """Tell whether any row of a table names its patient."""
    return "patient" in table.columns and table["patient"].null_count() < table.height


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
    often = (name, *OFTEN.get(name, ()))
    return [c for c in table.columns if c.casefold().replace(" ", "_") in often][:1]
