"""What a row of a cohort, or one of its boxes, is to a model: 0 or 1, or a class's number."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.models.settings import ClassifierSettings

#: Classes of these names are told by the label itself.
FRACTURE, NO_FRACTURE = "fracture", "no fracture"
_BETWEEN_TYPES = " + "  # as importers join the types of an image's boxes
_box_classes = pl.col("boxes").list.eval(pl.element().struct["class"].fill_null(FRACTURE))


def class_labels(table: pl.DataFrame, settings: ClassifierSettings) -> NDArray[np.int64]:
    """Return what a model is to say of each row.

    Returns
    -------
    labels
        int64. One class: (n,), the label. Several of which one holds: (n,), its number. Several
        of which any may hold: (n, C), 0 or 1.

    Raises
    ------
    GreenstickError
        Where a label or type is unknown, or a row is not of just one class where it should be.
    """
    if len(settings.classes) == 1:
        _need_labels(table)
        return table["label"].to_numpy().astype(np.int64)
    hot = hot_labels(table, settings.classes)
    if settings.outputs == "any-of":
        return hot.astype(np.int64)
    held = hot.sum(axis=1)
    if (held != 1).any():
        types = table.filter(held != 1)["fracture_type"].unique().sort()
        raise GreenstickError(
            f"{int((held == 0).sum())} images are of none of the classes "
            f"{', '.join(settings.classes)}, and {int((held > 1).sum())} of several; their "
            f"fracture types: {', '.join(str(kind or '(none)') for kind in types[:12])}.",
            remedy="Name every class, leave these images out, or set model.outputs to 'any-of'.",
        )
    return np.asarray(hot.argmax(axis=1), dtype=np.int64)


def hot_labels(table: pl.DataFrame, classes: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which classes hold for each row, bool of shape (n, C).

    'fracture' and 'no fracture' are told by ``label``; a class named as a column, by that column
    of true and false or 1 and 0; any other by ``fracture_type``, in which several are joined by
    plus signs.

    Raises
    ------
    GreenstickError
        Where a fracture has no type, or a column's values are unknown.
    """
    return np.column_stack([_hold(table, name) for name in classes])


def box_class_names(table: pl.DataFrame) -> tuple[str, ...]:
    """Return the classes of a cohort's boxes in order; a box without one is a 'fracture'."""
    named = table.select(_box_classes.explode().drop_nulls().unique().sort())
    return tuple(named.to_series())


def box_numbers(table: pl.DataFrame, classes: tuple[str, ...]) -> list[NDArray[np.int64]]:
    """Return the numbers of each row's boxes' classes; none where boxes are not known.

    Raises
    ------
    GreenstickError
        Where a box is of another class.
    """
    strange = sorted(set(box_class_names(table)) - set(classes))
    if strange:
        raise GreenstickError(
            f"There are boxes of the class {strange[0]!r}, which is none of {', '.join(classes)}.",
            remedy="List it in --classes, or merge it on import: --class OLD=NEW.",
        )
    number = {name: i for i, name in enumerate(classes)}
    return [
        np.array([number[name] for name in names or ()], dtype=np.int64)
        for names in table.select(_box_classes).to_series().to_list()
    ]


def _hold(table: pl.DataFrame, name: str) -> NDArray[np.bool_]:
    if name in (FRACTURE, NO_FRACTURE):
        _need_labels(table)
        return (table["label"] == int(name == FRACTURE)).to_numpy()
    if name in table.columns:
        return _column(table[name])
    return _typed(table, name)


def _column(values: pl.Series) -> NDArray[np.bool_]:
    numbers = values.cast(pl.Float64, strict=False)
    if numbers.null_count() or not numbers.is_in([0.0, 1.0]).all():
        raise GreenstickError(
            f"The class {values.name!r} is a column with values other than 0 and 1.",
            remedy="Fill the column with 0 and 1 or true and false, or name the class otherwise.",
        )
    return (numbers == 1.0).to_numpy()


def _typed(table: pl.DataFrame, name: str) -> NDArray[np.bool_]:
    no_fracture = (pl.col("label") == 0).fill_null(False)
    unknown = table.filter(pl.col("fracture_type").is_null() & ~no_fracture)
    if len(unknown):
        raise GreenstickError(
            f"{len(unknown)} images with a fracture have no fracture type.",
            remedy="Give their types, or leave them out of the split.",
        )
    holds = pl.col("fracture_type").str.split(_BETWEEN_TYPES).list.contains(name)
    return table.select(holds.fill_null(False)).to_series().to_numpy()


def _need_labels(table: pl.DataFrame) -> None:
    if table["label"].null_count():
        raise GreenstickError(
            f"{table['label'].null_count()} images to train on have no label.",
            remedy="Label them, or leave them out of the split.",
        )
