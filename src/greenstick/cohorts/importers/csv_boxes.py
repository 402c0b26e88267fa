"""A CSV file with one row a box, in pixels or as shares of the image's sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.importers.annotated import Annotated, Marked, table_of
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.csv_table import check_named, other_columns, read_text_table
from greenstick.cohorts.importers.files import locate, note_missing, split_in
from greenstick.cohorts.importers.image_size import image_sizes_px
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.cohorts.importers.unlisted import splits_in, with_unlisted
from greenstick.errors import GreenstickError

Form = Literal["corner", "center", "corners"]

#: What the columns of a box are called in the wild, and what they then mean.
FORMS: dict[tuple[str, str, str, str], Form] = {
    ("x_center", "y_center", "width", "height"): "center",
    ("cx", "cy", "w", "h"): "center",
    ("x", "y", "width", "height"): "corner",
    ("x", "y", "w", "h"): "corner",
    ("left", "top", "width", "height"): "corner",
    ("xmin", "ymin", "xmax", "ymax"): "corners",
    ("x_min", "y_min", "x_max", "y_max"): "corners",
    ("x1", "y1", "x2", "y2"): "corners",
    ("left", "top", "right", "bottom"): "corners",
}
#: Where the class of a box stands, if not in the column that the settings name.
_CLASS_COLUMNS = ("fracture_type", "class", "category", "name")


def box_columns(columns: Sequence[str]) -> tuple[str, str, str, str] | None:
    """Return the four columns of a box, or None where there are none."""
    return next((names for names in FORMS if set(names) <= set(columns)), None)


def import_csv_boxes(source: Path, settings: ImportSettings) -> Imported:
    """Import a CSV file with one row a box; columns as in :data:`FORMS`.

    Boxes whose numbers all lie within 0 and 1 are shares of the image's sides. A row without
    numbers lists an image and, where its class means none, no fracture. Other columns are kept
    where they agree within an image.

    Raises
    ------
    GreenstickError
        Where a column is missing, a number is none, an image is missing, or a class is not known.
    """
    given = read_text_table(source)
    names = box_columns(given.columns)
    kind = _class_column(given, settings)
    if names is None or settings.image_column not in given.columns:
        lacking = "four columns of a box" if names is None else f"column {settings.image_column!r}"
        raise GreenstickError(
            f"The CSV has no {lacking}; it has: {', '.join(given.columns)}.",
            remedy="Name the image with --image-column, and a box x, y, width, height.",
        )
    check_named(given[settings.image_column])
    root = settings.images or source.parent
    listed = given[settings.image_column].unique(maintain_order=True).to_list()
    places = dict(zip(listed, locate(listed, root), strict=True))
    missing = [name for name, place in places.items() if place is None]
    notes = note_missing(missing, len(listed), root, skip=settings.skip_missing)
    images = pl.Series("image", [places[n] for n in given[settings.image_column]], dtype=pl.String)
    given = given.with_columns(images.alias(settings.image_column)).drop_nulls(
        settings.image_column
    )
    images = given[settings.image_column]
    boxes = _pixels(_numbers(given, names, images), images, FORMS[names], root)
    table = table_of(
        _annotated(images, given[kind], boxes),
        ClassNames(settings.positive, settings.negative, settings.classes),
    )
    kept = _kept(given.drop(names), settings, kind)
    table = table.join(kept, on="image", how="left", maintain_order="left")
    if "split" not in table.columns:
        splits = [split_in(image) for image in table["image"]]
        table = table.with_columns(pl.Series("split", splits, dtype=pl.String))
    imported = Imported(table, root, tuple(notes))
    return with_unlisted(imported, splits_in(root), negative=settings.unlisted_are_negative)


def _class_column(given: pl.DataFrame, settings: ImportSettings) -> str:
    wanted = (settings.label_column, settings.fracture_type_column, *_CLASS_COLUMNS)
    found = next((name for name in wanted if name in given.columns), None)
    if found is None:
        raise GreenstickError(
            f"The CSV has no column with the class of a box; it has: {', '.join(given.columns)}.",
            remedy="Say which one with --label-column.",
        )
    return found


def _numbers(given: pl.DataFrame, names: Sequence[str], images: pl.Series) -> NDArray[np.float64]:
    """Return (n, 4), rows without a box as NaN."""
    numbers = given.select(pl.col(name).cast(pl.Float64, strict=False) for name in names)
    texts = given.select(names)
    odd = [texts[name].is_not_null() & numbers[name].is_null() for name in names]
    part = [texts[name].is_null() != texts[names[0]].is_null() for name in names]
    for series in (*odd, *part):
        if series.any():
            row = int(series.arg_true()[0])
            raise GreenstickError(
                f"{images[row]} has a box that is not four numbers: {texts.row(row)}.",
                remedy="Correct it, or leave all four empty where there is no box.",
            )
    return numbers.to_numpy().astype(np.float64)


def _pixels(
    boxes: NDArray[np.float64], images: pl.Series, form: Form, root: Path
) -> NDArray[np.float64]:
    """Return boxes as x, y, width, height in pixels."""
    boxes = boxes.copy()
    if form == "corners":
        boxes[:, 2:] -= boxes[:, :2]
    elif form == "center":
        boxes[:, :2] -= boxes[:, 2:] / 2
    known = boxes[np.isfinite(boxes).all(axis=1)]
    if len(known) and known.max() <= 1.0:
        names = images.unique(maintain_order=True).to_list()
        paths = [root / name for name in names]
        sizes = dict(zip(names, image_sizes_px(paths), strict=True))
        boxes *= np.array([sizes[image] * 2 for image in images], dtype=np.float64)
    return boxes


def _annotated(
    images: pl.Series, classes: pl.Series, boxes: NDArray[np.float64]
) -> list[Annotated]:
    objects: dict[str, list[Marked]] = {}
    for image, name, box in zip(images, classes, boxes.tolist(), strict=True):
        mine = objects.setdefault(image, [])
        placed = not np.isnan(box).any()
        if name is not None or placed:
            mine.append(Marked(name or "fracture", tuple(box) if placed else None))
    return [Annotated(image, tuple(mine)) for image, mine in objects.items()]


def _kept(given: pl.DataFrame, settings: ImportSettings, kind: str) -> pl.DataFrame:
    """Return the columns that say something of images, those that agree within each."""
    taken = {"image": settings.image_column}
    patient = settings.patient_column or "patient"
    if patient in given.columns:
        taken["patient"] = patient
    elif settings.patient_column:
        raise GreenstickError(
            f"The CSV has no column {patient!r}; it has: {', '.join(given.columns)}.",
            remedy="Say which one with --patient-column.",
        )
    others = other_columns(given.drop(kind), taken)
    table = given.select(**taken).hstack(others)
    each = [pl.col(c) for c in table.columns if c != "image"]
    return table.group_by("image", maintain_order=True).agg(
        pl.when(c.n_unique() == 1).then(c.first()).name.keep() for c in each
    )
