"""The cohort: one row an image, in one Parquet file."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from greenstick.errors import GreenstickError
from greenstick.files import write_whole

BOX = pl.Struct(
    {
        "x": pl.Float64,
        "y": pl.Float64,
        "width": pl.Float64,
        "height": pl.Float64,
        "class": pl.String,
    }
)

#: Columns that every cohort has, in this order; any further columns are kept as they are.
SCHEMA: dict[str, pl.DataType] = {
    "image": pl.String(),  # path relative to the cohort file
    "patient": pl.String(),  # null: the image is a patient of its own
    "label": pl.Int8(),  # 0 no fracture, 1 fracture, null unknown
    "fracture_type": pl.String(),
    "boxes": pl.List(BOX),  # pixels of the original; null: not annotated; []: annotated, none
    "split": pl.String(),  # null, "train", "valid" or "test"
}
SPLITS = ("train", "valid", "test")

_NOTES = "greenstick_notes"  # the Parquet file's own key for ``Cohort.notes``, a JSON list


@dataclass(frozen=True, eq=False)
class Cohort:
    """A table of radiographs, and the folder that its image paths start from.

    Attributes
    ----------
    table
        Columns as in :data:`SCHEMA`, then any others.
    root
        The folder that ``image`` is relative to.
    notes
        What was left out or taken for granted when the cohort was made, a sentence each; kept in
        the file.
    """

    table: pl.DataFrame
    root: Path
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.table.height

    def paths(self) -> list[Path]:
        """Return the path of each image, in row order."""
        return [self.root / image for image in self.table["image"]]

    def patients(self) -> pl.Series:
        """Return the patient of each row; an image without one is a patient of its own."""
        own = pl.concat_str(pl.lit("image:"), pl.col("image"))
        return self.table.select(pl.coalesce("patient", own).alias("patient")).to_series()

    def with_table(self, table: pl.DataFrame) -> "Cohort":
        """Return the same cohort with another table."""
        return replace(self, table=table)


def make_cohort(table: pl.DataFrame, root: Path) -> Cohort:
    """Check a table, add the columns it lacks (as nulls) and put them in order.

    Raises
    ------
    GreenstickError
        Where ``image`` or ``label`` is missing, an image is listed twice, a label is neither 0
        nor 1 nor null, a split has an unknown name, or a column has the wrong type.
    """
    if table.is_empty():
        raise GreenstickError("The cohort is empty.", remedy="Check what was imported.")
    missing = [name for name in ("image", "label") if name not in table.columns]
    if missing:
        raise GreenstickError(
            f"The cohort has no column {' and no column '.join(map(repr, missing))}.",
            remedy=f"It has: {', '.join(table.columns)}. Rename or add the column.",
        )
    table = _cast(_with_box_classes(table))
    _check_values(table)
    others = [name for name in table.columns if name not in SCHEMA]
    return Cohort(table.select(*SCHEMA, *others), root)


def _with_box_classes(table: pl.DataFrame) -> pl.DataFrame:
    """Add the class to boxes that come without, and put their fields in order."""
    dtype = table.schema.get("boxes")
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    if not isinstance(inner, pl.Struct) or inner == BOX:
        return table
    there = {field.name for field in inner.fields}
    fields = [
        pl.element().struct.field(field.name).cast(field.dtype)
        if field.name in there
        else pl.lit(None, dtype=field.dtype).alias(field.name)
        for field in BOX.fields
        if field.name in there or field.name == "class"
    ]
    return table.with_columns(pl.col("boxes").list.eval(pl.struct(fields)))


def _cast(table: pl.DataFrame) -> pl.DataFrame:
    for name, dtype in SCHEMA.items():
        if name not in table.columns:
            table = table.with_columns(pl.lit(None, dtype=dtype).alias(name))
        given = _whole(table[name])
        try:
            cast = given.cast(dtype)
            if given.dtype.is_float() and dtype.is_integer():  # 0.7 is no label 0
                raise pl.exceptions.InvalidOperationError("not a whole number")
        except pl.exceptions.PolarsError as error:
            raise GreenstickError(
                f"Column {name!r} cannot be read as {_named(dtype)}.",
                remedy=f"Correct its values ({str(error).splitlines()[0]}).",
            ) from None
        if dtype == pl.String:  # a patient called '' would own all images that name none
            cast = cast.set(cast.str.strip_chars() == "", None)
        table = table.with_columns(cast)
    return table


def _whole(column: pl.Series) -> pl.Series:
    """Return floats that are whole numbers as such: other tools make them of a column with gaps."""
    if not column.dtype.is_float():
        return column
    column = column.fill_nan(None)
    whole = column.cast(pl.Int64, strict=False)
    same = whole.null_count() == column.null_count() and not (whole != column).any()
    return whole if same else column


def _named(dtype: pl.DataType) -> str:
    names = {pl.String: "text", pl.Int8: "a whole number"}
    return names.get(type(dtype), "a list of boxes (x, y, width, height, class)")


def _check_values(table: pl.DataFrame) -> None:
    if table["image"].null_count():
        raise GreenstickError("A row has no image.", remedy="Remove it, or give its path.")
    twice = table.filter(pl.col("image").is_duplicated())["image"]
    if len(twice):
        raise GreenstickError(
            f"{twice.n_unique()} images are listed more than once, first {twice[0]}.",
            remedy="Keep one row an image; several boxes go into its 'boxes'.",
        )
    labels = set(table["label"].drop_nulls().unique())
    if not labels <= {0, 1}:
        raise GreenstickError(
            f"Labels must be 0 (no fracture) or 1 (fracture); found {sorted(labels - {0, 1})}.",
            remedy="Put the kind of fracture into 'fracture_type'.",
        )
    unknown = set(table["split"].drop_nulls().unique()) - set(SPLITS)
    if unknown:
        raise GreenstickError(
            f"Unknown split {sorted(unknown)}.",
            remedy=f"Use {', '.join(SPLITS)} or leave it empty.",
        )


def read_cohort(path: Path | str) -> Cohort:
    """Read a cohort from its Parquet file.

    Raises
    ------
    GreenstickError
        Where the file is missing, is not Parquet or is not a cohort.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(
            f"There is no cohort {path}.",
            remedy="Make one with 'greenstick cohort import' or 'greenstick phantom'.",
        )
    try:
        table = pl.read_parquet(path, glob=False)  # a '[1]' in a name is no pattern
        notes = pl.read_parquet_metadata(path).get(_NOTES, "[]")
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(
            f"{path} is not a Parquet file.",
            remedy="Import a CSV or a folder first: 'greenstick cohort import --help'.",
        ) from None
    return replace(make_cohort(table, path.parent), notes=tuple(json.loads(notes)))


def write_cohort(cohort: Cohort, path: Path | str) -> None:
    """Write a cohort; image paths become relative to the file's folder.

    The file appears whole or not at all: a write that is killed leaves an old file as it was.
    """
    path = Path(path)
    images = pl.Series("image", _relative_to(path.parent, cohort), dtype=pl.String)
    notes = {_NOTES: json.dumps(cohort.notes)}
    table = cohort.table.with_columns(images)
    write_whole(path, lambda part: table.write_parquet(part, metadata=notes))


def _relative_to(folder: Path, cohort: Cohort) -> list[str]:
    """Return each image's path relative to a folder.

    Below the folder the user's own way is kept, links and all, so that folder and file can be
    moved together. A way that leads out of it is resolved: ``..`` after a link means another
    place than it seems. Folders are few and images many, so each folder is worked out once.
    """
    here, start = os.path.abspath(folder), os.path.realpath(folder)  # noqa: PTH100
    folders: dict[str, str] = {}
    relative = []
    for image in cohort.table["image"]:
        name = image.rpartition("/")[2]
        before = image.removesuffix(name)
        if before not in folders:
            # An absolute path stays what it is when joined.
            where = str(cohort.root.absolute() / before)
            below = ".." not in Path(where).parts and Path(where).is_relative_to(here)
            base = (where, here) if below else (os.path.realpath(where), start)
            way = Path(os.path.relpath(*base)).as_posix()
            folders[before] = "" if way == "." else f"{way}/"
        relative.append(folders[before] + name)
    return relative
