"""Join boxes from a COCO file to a table of labels, by file name."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import BOX
from greenstick.cohorts.importers.annotated import table_of
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.coco import coco_files, read_coco
from greenstick.cohorts.importers.files import spelled
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.errors import GreenstickError


def with_boxes(imported: Imported, source: Path, settings: ImportSettings) -> Imported:
    """Give each image the boxes that a COCO file has for its name.

    An image without a fracture that the file does not list has no boxes (``[]``); one with a
    fracture, or of unknown label, was not annotated (null). Labels stay as they are, also where
    boxes contradict them: the audit finds that.

    Raises
    ------
    GreenstickError
        Where the file is no COCO JSON, a class is not known, one name fits several images, or
        no name fits any.
    """
    names = ClassNames(settings.positive, settings.negative, settings.classes)
    images = [image for file in coco_files(source) for image in read_coco(file)]
    annotated = table_of(images, names)
    rows = matched(annotated["image"].to_list(), imported, source)
    found = annotated.with_columns(pl.Series("image", rows, dtype=pl.String)).drop_nulls("image")
    strangers = rows.count(None)
    note = (
        f"Images in {source.name} that are not among those imported: {strangers}; their boxes are "
        "not used."
    )
    table = _joined(imported.table, found.drop("label"))
    return replace(imported, table=table, notes=(*imported.notes, *([note] if strangers else [])))


def matched(listed: list[str], imported: Imported, source: Path) -> list[str | None]:
    """Return for each name that a file lists the imported image it means; None: none.

    Raises
    ------
    GreenstickError
        Where one name fits several images, or two names fit one, or none fits any.
    """
    images = imported.table["image"].to_list()
    whole = set(images)
    by_name: dict[str, list[str]] = defaultdict(list)
    for image in images:
        by_name[spelled(image.rpartition("/")[2])].append(image)
    meant: list[str | None] = []
    for name in listed:
        fitting = [name] if name in whole else by_name.get(spelled(name.rpartition("/")[2]), [])
        if len(fitting) > 1:
            raise GreenstickError(
                f"Boxes for {name!r} may belong to {fitting[0]} or to {fitting[1]}.",
                remedy="Give its folder in the COCO file, as in the imported paths.",
            )
        meant.append(fitting[0] if fitting else None)
    if meant.count(None) == len(meant):
        raise GreenstickError(
            f"None of the {len(meant)} images in {source} is among those imported.",
            remedy="Their file names must be the same.",
        )
    twice = next((name for name, n in Counter(meant).items() if name is not None and n > 1), None)
    if twice is not None:
        raise GreenstickError(f"{source} lists {twice} twice.", remedy="Merge its entries.")
    return meant


def _joined(table: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    kinds = found.rename({"fracture_type": "_kind"})
    joined = table.drop("boxes", "other_objects", "outlines", strict=False).join(
        kinds, on="image", how="left", maintain_order="left"
    )
    given = pl.col("fracture_type") if "fracture_type" in joined.columns else pl.lit(None)
    of_boxes = pl.when(label=1).then("_kind")
    unlisted = pl.when(label=0).then(pl.lit([], dtype=pl.List(BOX)))
    return joined.with_columns(
        pl.coalesce("boxes", unlisted).alias("boxes"),
        pl.coalesce(given, of_boxes).alias("fracture_type"),
    ).drop("_kind")
