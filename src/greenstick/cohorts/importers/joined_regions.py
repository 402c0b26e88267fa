"""Join from a COCO file, by file name, the part of each image that is to be looked at."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from greenstick.cohorts.importers.annotated import Marked
from greenstick.cohorts.importers.coco import coco_files, read_coco
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.joined_boxes import matched
from greenstick.errors import GreenstickError

#: The columns of the box, in pixels of the original; null where an image has none.
REGION_COLUMNS = ("region_x", "region_y", "region_width", "region_height")


def with_region_columns(imported: Imported, source: Path, class_name: str) -> Imported:
    """Give each image the box around all objects that a COCO file has for its name.

    Parameters
    ----------
    class_name
        Only objects of this class count; empty: all.

    Raises
    ------
    GreenstickError
        Where the file is no COCO JSON, has no such class, or one name fits several images or none
        fits any.
    """
    images = [image for file in coco_files(source) for image in read_coco(file)]
    names = {one.name for image in images for one in image.objects}
    if class_name and class_name not in names:
        raise GreenstickError(
            f"{source} has no boxes of the class {class_name!r}.",
            remedy=f"Its classes are {', '.join(sorted(names)) or 'none'}.",
        )
    meant = matched([image.image for image in images], imported, source)
    around = {
        name: _around([one for one in image.objects if class_name in ("", one.name)])
        for name, image in zip(meant, images, strict=True)
        if name is not None
    }
    boxes = [around.get(name) or (None,) * 4 for name in imported.table["image"]]
    columns = pl.DataFrame(boxes, schema=dict.fromkeys(REGION_COLUMNS, pl.Float64), orient="row")
    without = columns[REGION_COLUMNS[0]].null_count()
    note = f"{without} images have no region in {source.name}." if without else ""
    table = imported.table.drop(REGION_COLUMNS, strict=False).hstack(columns)
    return replace(imported, table=table, notes=(*imported.notes, *([note] if note else [])))


def _around(objects: Sequence[Marked]) -> tuple[float, float, float, float] | None:
    boxes = [one.box for one in objects if one.box is not None]
    if not boxes:
        return None
    left, top = (min(box[side] for box in boxes) for side in (0, 1))
    right, bottom = (max(box[side] + box[2 + side] for box in boxes) for side in (0, 1))
    return left, top, right - left, bottom - top
