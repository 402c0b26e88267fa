"""A CSV file: one row an image, columns by any name, separated by ',', ';', tab or '|'."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import SCHEMA
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.files import SPLIT_NAMES, read_text, with_located
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.errors import GreenstickError

_SEPARATORS = ",;\t|"
_NOTHING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


def import_csv(source: Path, settings: ImportSettings) -> Imported:
    """Import a CSV file with one row an image.

    Columns that the cohort has no place for are kept; one that would stand in the place of
    another (a ``label`` column where the label is taken from elsewhere) gets ``_in_csv`` added.

    Raises
    ------
    GreenstickError
        Where it is no CSV, lacks a column (lists those it has), a row has no image, an image is
        missing, or a label's word is not known.
    """
    given = read_text_table(source)
    chosen = _chosen_columns(given, settings)
    names = ClassNames(settings.positive, settings.negative)
    words = given[chosen["label"]]
    if words.null_count() == len(words):
        raise GreenstickError(
            f"Column {chosen['label']!r} is empty.", remedy="Choose another with --label-column."
        )
    labels = names.labels(words.drop_nulls().unique())
    types = {word: names.fracture_type(word) for word in labels}
    table = pl.DataFrame(
        {
            "image": given[chosen["image"]],
            "label": words.replace_strict(labels, default=None, return_dtype=pl.Int8),
            "fracture_type": given[chosen["fracture_type"]]
            if "fracture_type" in chosen
            else words.replace_strict(types, default=None, return_dtype=pl.String),
        }
    )
    if "patient" in chosen:
        table = table.with_columns(given[chosen["patient"]].alias("patient"))
    return _with_files(table.hstack(other_columns(given, chosen)), source, settings)


def read_text_table(source: Path) -> pl.DataFrame:
    """Return all columns as text: a patient '007' must not become the number 7."""
    text = read_text(source).replace("\r\n", "\n").replace("\r", "\n")  # or as on old Macs
    head = text.partition("\n")[0]
    try:
        table = pl.read_csv(
            io.BytesIO(text.encode()), separator=_separator(head), infer_schema=False
        )
    except (pl.exceptions.PolarsError, csv.Error) as error:
        raise GreenstickError(
            f"{source} cannot be read as CSV ({str(error).splitlines()[0]}).",
            remedy="Save it as CSV with a row of column names and the same number of cells a row.",
        ) from None
    names = [name.strip() for name in table.columns]
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise GreenstickError(
            f"{source} has several columns {twice!r}.", remedy="Give each a name of its own."
        )
    table.columns = names
    cells = pl.all().str.strip_chars()
    table = table.with_columns(pl.when(~cells.is_in(list(_NOTHING))).then(cells).name.keep())
    return table.filter(~pl.all_horizontal(pl.all().is_null()))  # spreadsheets leave blank rows


def _separator(head: str) -> str:
    """Return what parts the header into most columns; quoted separators do not count."""
    return max(_SEPARATORS, key=lambda mark: len(next(csv.reader([head], delimiter=mark), [])))


def _chosen_columns(given: pl.DataFrame, settings: ImportSettings) -> dict[str, str]:
    """Return the cohort's column to the CSV's."""
    chosen = {
        "image": settings.image_column,
        "label": settings.label_column,
        "patient": settings.patient_column or "patient",
        "fracture_type": settings.fracture_type_column or "fracture_type",
    }
    asked = {"image", "label"}
    asked |= {"patient"} if settings.patient_column else set()
    asked |= {"fracture_type"} if settings.fracture_type_column else set()
    for place, name in chosen.items():
        if place in asked and name not in given.columns:
            option = f"--{place.replace('_', '-')}-column"
            raise GreenstickError(
                f"The CSV has no column {name!r}; it has: {', '.join(given.columns)}.",
                remedy=f"Say which one with {option}.",
            )
    return {place: name for place, name in chosen.items() if name in given.columns}


def other_columns(given: pl.DataFrame, chosen: dict[str, str]) -> pl.DataFrame:
    """Return the columns that are not chosen, numbers as numbers, under names that are free."""
    others = pl.DataFrame([_typed(column) for column in given.drop(set(chosen.values()))])
    if "split" in others.columns:
        words = pl.col("split").cast(pl.String)
        others = others.with_columns(words.str.to_lowercase().replace(SPLIT_NAMES).alias("split"))
    ours = set(SCHEMA) - {"split"}
    taken = {name: _free(name, others.columns) for name in others.columns if name in ours}
    return others.rename(taken)


def _free(name: str, taken: Sequence[str]) -> str:
    name = f"{name}_in_csv"
    return _free(name, taken) if name in taken else name


def check_named(images: pl.Series) -> None:
    """Refuse rows that name no image.

    Raises
    ------
    GreenstickError
        Counting them.
    """
    if images.null_count():
        raise GreenstickError(
            f"{images.null_count()} rows have no image.",
            remedy="Remove them, or give the file's name.",
        )


def _typed(text: pl.Series) -> pl.Series:
    """Return numbers where all are numbers; '007' stays text."""
    if text.str.contains(r"^[+-]?0\d").any():
        return text
    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return text


def _with_files(table: pl.DataFrame, source: Path, settings: ImportSettings) -> Imported:
    """Replace the names listed by the paths of the files, relative to the folder of the images."""
    check_named(table["image"])
    root = settings.images or source.parent
    table, notes = with_located(table, root, skip_missing=settings.skip_missing)
    unknown = table["label"].null_count()
    unlabeled = [f"Images without a label: {unknown}."] if unknown else []
    return Imported(table, root, (*notes, *unlabeled))
