"""Read and write tables of scores, anybody's."""

import codecs
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import polars as pl

from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.scores.columns import KNOWN_COLUMNS, need_columns

#: Columns that hold names, and are read as text whatever they look like.
NAMES = ("image", "patient", "reader", "modality", "case")
#: What an empty cell of a CSV looks like in the wild.
EMPTY = ["", "NA", "N/A", "NaN", "nan"]
#: UTF-8, with a byte order mark or without.
UTF8 = "utf-8-sig"


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
    return tidy_scores(read_table(path, columns=columns), positive=positive, negative=negative)


def read_table(path: Path | str, *, columns: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Read a CSV or Parquet file and give its columns our names, nothing more.

    A column that already has a name which another one is given is kept as ``<name>_before``.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There are no scores {path}.", remedy="Check the path.")
    try:
        if path.suffix.lower() == ".parquet":
            table = pl.read_parquet(path)
        else:
            table = _read_csv(path, dict(columns or {}))
    except pl.exceptions.NoDataError:
        raise GreenstickError(f"{path} is empty.", remedy="Check the path.") from None
    except (pl.exceptions.PolarsError, UnicodeError, OSError):
        raise GreenstickError(
            f"{path} can be read neither as Parquet nor as CSV.",
            remedy="Save the scores as Parquet, or as CSV with a header line and as many cells in "
            "each line: decimal commas need semicolons between the columns.",
        ) from None
    return renamed(table, columns)


def _read_csv(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    encoding = _encoding(path)
    with path.open(encoding=encoding) as lines:
        header = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=header.count)
    as_text = {columns.get(name, name) for name in NAMES}
    names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(separator)]
    _refuse_twice(names, {*KNOWN_COLUMNS, *columns.values()})
    table = pl.read_csv(
        path,
        separator=separator,
        decimal_comma=separator == ";",
        null_values=EMPTY,
        encoding="utf8" if encoding == UTF8 else encoding,
        infer_schema_length=None,
        schema_overrides={name: pl.String for name in names if name in as_text},
    )
    if separator == ";":  # 90,8% is text to polars
        share = pl.col(pl.String).str.replace(r"^(\s*\d+),(\d+\s*%)", "${1}.${2}")
        table = table.with_columns(share)
    return table.rename({name: name.strip() for name in table.columns if name != name.strip()})


def _encoding(path: Path) -> str:
    """Return how a text is written: in UTF-8, as Excel's Unicode text, or else in Latin-1.

    Latin-1 keeps names apart that differ in letters beyond ASCII, whatever these really are.
    """
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start:
        raise UnicodeError("no text")
    try:
        with path.open(encoding=UTF8) as lines:
            for _ in lines:
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return UTF8


def _refuse_twice(names: Sequence[str], used: Collection[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if name in used and names.count(name) > 1]
    if twice:
        raise GreenstickError(
            f"Two columns are called {twice[0]!r}.", remedy="Rename the one that is not meant."
        )


def renamed(table: pl.DataFrame, columns: Mapping[str, str] | None) -> pl.DataFrame:
    """Return a table with our names for its columns; see :func:`read_table`."""
    given = {ours: theirs for ours, theirs in (columns or {}).items() if ours != theirs}
    need_columns(table, *given.values())
    clash = {name: f"{name}_before" for name in given if name in table.columns}
    return table.rename(clash).rename({clash.get(t, t): ours for ours, t in given.items()})


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
    table = renamed(table, columns)
    need_columns(table, "label", "score")
    return table.with_columns(
        binary_labels(table["label"], positive, negative), score_numbers(table["score"])
    )


def rows_where(table: pl.DataFrame, wanted: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows whose columns hold the wanted values, compared as text.

    Raises
    ------
    GreenstickError
        Where a column is missing or no row is left.
    """
    need_columns(table, *wanted)
    for name, value in wanted.items():
        found = table[name].cast(pl.String)
        table = table.filter((found == value).fill_null(False))
        if table.is_empty():
            values = ", ".join(sorted(map(str, found.drop_nulls().unique()))[:5])
            raise GreenstickError(
                f"No row has {name} {value!r}.", remedy=f"There are: {values or 'none'}."
            )
    return table


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
        return _named_labels(labels.cast(pl.String).str.strip_chars(), positive, negative)
    if labels.dtype == pl.String:
        labels = labels.str.strip_chars()
    if labels.dtype.is_float():
        labels = labels.fill_nan(None)
    numbers = labels.cast(pl.Float64, strict=False)
    lost = numbers.is_null() & labels.is_not_null()
    odd = lost | ~(numbers.is_in([0.0, 1.0]) | numbers.is_null())
    if odd.any():
        found = sorted(map(str, labels.filter(odd).unique().head(5)))
        raise GreenstickError(
            f"Labels must be 0 or 1; found {', '.join(found)}.",
            remedy="Say which of these mean a fracture: --positive, or positive=[...].",
        )
    return numbers.cast(pl.Int8).alias("label")


def _named_labels(labels: pl.Series, positive: Sequence[str], negative: Sequence[str]) -> pl.Series:
    yes, no = list(map(str, positive)), list(map(str, negative))
    if not yes:
        raise GreenstickError(
            "No label is said to mean a fracture.",
            remedy="Name at least one: --positive, or positive=[...].",
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


def score_numbers(scores: pl.Series) -> pl.Series:
    """Return scores as Float64; ``90.8%`` is 0.908.

    Raises
    ------
    GreenstickError
        Where a value is no number.
    """
    if scores.dtype == pl.String:
        scores = scores.str.strip_chars()
        percent = scores.str.ends_with("%").fill_null(False)
        numbers = scores.str.strip_suffix("%").str.strip_chars().cast(pl.Float64, strict=False)
        numbers = pl.select(pl.when(percent).then(numbers / 100).otherwise(numbers)).to_series()
    else:
        numbers = scores.cast(pl.Float64, strict=False)
    odd = scores.filter(numbers.is_null() & scores.is_not_null())
    if len(odd):
        comma = odd.dtype == pl.String and bool(odd.str.contains(r"^-?\d+,\d+%?$").all())
        raise GreenstickError(
            f"{len(odd)} scores are no numbers, first {odd[0]!r}.",
            remedy="Write them with decimal points, or put semicolons between the columns."
            if comma
            else "Correct them, or name the column that holds the score.",
        )
    return numbers.alias(scores.name)


def write_scores(table: pl.DataFrame, path: Path | str) -> None:
    """Write a scores table as Parquet, or as CSV where the name ends so."""
    path = Path(path)
    is_csv = path.suffix.lower() == ".csv"
    write_whole(path, table.write_csv if is_csv else table.write_parquet)


def one_split(table: pl.DataFrame) -> str | None:
    """Return the name of the split that all rows are of, None where there is no such column.

    Raises
    ------
    GreenstickError
        Where rows of several splits are mixed: some of them made the model.
    """
    if "split" not in table.columns:
        return None
    splits = table["split"].drop_nulls().unique().sort()
    if len(splits) > 1:
        raise GreenstickError(
            f"The table mixes rows of the splits {' and '.join(map(str, splits))}: some of them "
            "were used to make the model.",
            remedy="Choose: --where split=test.",
        )
    return str(splits[0]) if len(splits) else None


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return what to call the models of some files: as briefly as tells them apart.

    Raises
    ------
    GreenstickError
        Where names and folders of two are the same.
    """
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    names = [f"{path.parent.name}/{path.stem}" for path in paths]
    if len(set(names)) < len(names):
        raise GreenstickError("Two of the files have the same name.", remedy="Rename one.")
    return names


def place_images(tables: Sequence[pl.DataFrame], folders: Sequence[Path]) -> list[pl.DataFrame]:
    """Name images alike in tables that each name them from their own folder, as runs do.

    Where the first image of each table lies there, all are named by where they lie; else, and of
    tables of one folder, names stay as they are.
    """
    if len(set(folders)) == 1 or not all(map(_lies_there, tables, folders)):
        return list(tables)
    return [
        table.with_columns(
            image=pl.Series([str((folder / name).resolve()) for name in table["image"]])
        )
        for table, folder in zip(tables, folders, strict=True)
    ]


def _lies_there(table: pl.DataFrame, folder: Path) -> bool:
    if table.is_empty() or table.schema.get("image") != pl.String or table["image"].null_count():
        return False
    return Path(folder, table["image"][0]).is_file()
