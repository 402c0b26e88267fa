"""Images that lie there but are listed by no annotation."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import BOX
from greenstick.cohorts.importers.files import files_in, is_image, split_in
from greenstick.cohorts.importers.imported import Imported


def splits_in(folder: Path) -> dict[str, str | None]:
    """Return every image below a folder, if any, and the split that its path tells."""
    return {file: split_in(file) for file in files_in(folder) if is_image(file)}


def with_unlisted(
    imported: Imported, splits: Mapping[str, str | None], *, negative: bool
) -> Imported:
    """Add images that are not listed as having no fracture, or note that they are left out.

    Silence is not taken for 'no fracture' unasked: it may be an image that nobody looked at.

    Parameters
    ----------
    imported
        The images that are listed.
    splits
        Every image there, and its split if it has one.
    negative
        Whether to add them.
    """
    listed = set(imported.table["image"])
    rest = [image for image in splits if image not in listed]
    if not rest:
        return imported
    if not negative:
        note = (
            f"Images that no annotation lists were left out: {len(rest)}, first {rest[0]}; "
            "--unlisted-are-negative takes them for images without a fracture."
        )
        return replace(imported, notes=(*imported.notes, note))
    added = pl.DataFrame(
        {
            "image": rest,
            "label": [0] * len(rest),
            "boxes": [[]] * len(rest),
            "split": [splits[image] for image in rest],
        },
        schema={"image": pl.String, "label": pl.Int8, "boxes": pl.List(BOX), "split": pl.String},
    )
    table = pl.concat([imported.table, added], how="diagonal")
    note = f"Images that no annotation lists were taken for images without a fracture: {len(rest)}."
    return replace(imported, table=table, notes=(*imported.notes, note))
