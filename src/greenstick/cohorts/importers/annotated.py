"""Images with objects marked on them: what COCO, YOLO and Pascal VOC have in common."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from greenstick.cohorts.cohort import BOX
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.outlines import OUTLINE, Outline


@dataclass(frozen=True)
class Marked:
    """One object marked on an image.

    Attributes
    ----------
    name
        Its class.
    box
        (x, y, width, height) in pixels of the original, as annotated, be it faulty; None where
        the class was given without a place.
    outline
        Polygons or a mask, where such were drawn.
    """

    name: str
    box: tuple[float, float, float, float] | None
    outline: Outline | None = None


@dataclass(frozen=True)
class Annotated:
    """One image as listed by its annotation, and the objects marked on it."""

    image: str
    objects: tuple[Marked, ...] = ()


def table_of(images: Sequence[Annotated], names: ClassNames) -> pl.DataFrame:
    """Return annotated images as the columns of a cohort.

    An image is fractured where any object's class means a fracture. Only boxes of such classes
    are kept, since ``boxes`` says where the fractures are; the names of all other classes (metal,
    text) go into ``other_objects``, where there are any. Polygons and masks are kept in
    ``outlines``, where there are any: one for each of the boxes, null where only a box was drawn.

    Returns
    -------
    polars.DataFrame
        ``image``, ``label``, ``fracture_type``, ``boxes``[, ``other_objects``][, ``outlines``].

    Raises
    ------
    GreenstickError
        Where it is not known whether a class means a fracture, or one to rename is not there.
    """
    names.check_renamed(one.name for image in images for one in image.objects)
    images = [_renamed(image, names) for image in images]
    labels = names.labels(one.name for image in images for one in image.objects)
    fractures = [[o for o in image.objects if labels[o.name] == 1] for image in images]
    others = [
        _joined({o.name for o in image.objects if labels[o.name] == 0}, ", ") for image in images
    ]
    outlines = [_outlines(marked) for marked in fractures]
    table = pl.DataFrame(
        {
            "image": [image.image for image in images],
            "label": [int(bool(marked)) for marked in fractures],
            "fracture_type": [_fracture_type(marked, names) for marked in fractures],
            "boxes": [_boxes(marked) for marked in fractures],
            "other_objects": others,
            "outlines": outlines,
        },
        schema={
            "image": pl.String,
            "label": pl.Int8,
            "fracture_type": pl.String,
            "boxes": pl.List(BOX),
            "other_objects": pl.String,
            "outlines": pl.List(OUTLINE),
        },
    )
    drawn = any(one is not None for kept in outlines for one in kept or ())
    there = {"other_objects": any(others), "outlines": drawn}
    return table.drop([name for name, kept in there.items() if not kept])


def _renamed(image: Annotated, names: ClassNames) -> Annotated:
    objects = tuple(replace(one, name=names.name(one.name)) for one in image.objects)
    return Annotated(image.image, objects)


def _fracture_type(marked: Sequence[Marked], names: ClassNames) -> str | None:
    return _joined({kind for o in marked if (kind := names.fracture_type(o.name))}, " + ")


def _joined(words: set[str], by: str) -> str | None:
    return by.join(sorted(words)) or None


def _boxes(marked: Sequence[Marked]) -> list[dict[str, float | str]] | None:
    """Return boxes as rows of ``BOX``; None where a fracture was noted without its place."""
    placed = [
        dict(zip(("x", "y", "width", "height"), o.box, strict=True)) | {"class": o.name}
        for o in marked
        if o.box is not None
    ]
    return placed if placed or not marked else None


def _outlines(marked: Sequence[Marked]) -> list[dict[str, Any] | None] | None:
    """Return the outline of each object that has a box, as a row of ``OUTLINE``."""
    kept = [None if o.outline is None else asdict(o.outline) for o in marked if o.box is not None]
    return kept or None
