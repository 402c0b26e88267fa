"""The cohort: one row an image, in one Parquet file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from greenstick.errors import GreenstickError

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
    table = _cast(table)
    _check_values(table)
    others = [name for name in table.columns if name not in SCHEMA]
    return Cohort(table.select(*SCHEMA, *others), root)


def _cast(table: pl.DataFrame) -> pl.DataFrame:
    for name, dtype in SCHEMA.items():
        if name not in table.columns:
            table = table.with_columns(pl.lit(None, dtype=dtype).alias(name))
        try:
            table = table.with_columns(pl.col(name).cast(dtype))
        except pl.exceptions.PolarsError as error:
            raise GreenstickError(
                f"Column {name!r} cannot be read as {dtype}.",
                remedy=f"Correct its values ({str(error).splitlines()[0]}).",
            ) from None
    return table


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
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(
            f"{path} is not a Parquet file.",
            remedy="Import a CSV or a folder first: 'greenstick cohort import --help'.",
        ) from None
    return make_cohort(table, path.parent)


def write_cohort(cohort: Cohort, path: Path | str) -> None:
    """Write a cohort; image paths become relative to the file's folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    images = _relative_to(cohort.paths(), path.parent)
    part = path.with_name(path.name + ".part")  # a killed write leaves the old file whole
    cohort.table.with_columns(pl.Series("image", images)).write_parquet(part)
    part.replace(path)


def _relative_to(paths: Sequence[Path], folder: Path) -> list[str]:
    # os.path.relpath, since Path.relative_to walks up only from Python 3.12 on.
    start = folder.resolve()
    return [Path(os.path.relpath(path.absolute(), start)).as_posix() for path in paths]
