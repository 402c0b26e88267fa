"""Pictures of the images that a detector does best, middling and worst on."""

import re
import shutil
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
from PIL import Image

from greenstick.cohorts.audit.names import tells
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import ReadBoxes
from greenstick.evidence.detection.cases import BoxCase
from greenstick.experiments.run_folder import write_table
from greenstick.explanation.box_overlay import box_overlay
from greenstick.files import write_whole
from greenstick.radiographs.opening import open_radiograph

FOLDER, LIST = "box_overlays", "box_overlays.parquet"
_SHOWN_PX = 768  # pictures are for looking at, so the radiograph may be decoded at this size

SCHEMA = {
    "image": pl.String,  # as a page may call it: never by its patient
    "kind": pl.String,  # worst, median, best or false alarm
    "file": pl.String,  # in box_overlays/; null where the image could not be opened
    "found": pl.Int64,
    "missed": pl.Int64,
    "false": pl.Int64,
    "overlap": pl.Float64,
    "score": pl.Float64,  # of the surest box, null without any
    "threshold": pl.Float64,  # boxes are drawn from this score on, null: all
}


def write_box_pictures(
    boxes: ReadBoxes,
    cases: list[BoxCase],
    root: Path,
    folder: Path,
    *,
    threshold: float | None,
) -> int:
    """Draw the cases and list them; return how many could be drawn.

    Parameters
    ----------
    boxes
        What was judged.
    cases
        Which images to draw.
    root
        The folder that the images' names start from, or that they lie in.
    folder
        Gets ``box_overlays/`` and ``box_overlays.parquet``.
    threshold
        From which score on a box is shown; None: any.
    """
    rows = []
    for number, case in enumerate(cases):
        name = _called(boxes, case.image, number)
        try:
            picture = _draw(boxes, case.image, root, threshold)
        except GreenstickError:
            file = None
        else:
            safe = re.sub(r"[^A-Za-z0-9_-]", "_", PurePosixPath(name).stem)[:60]
            file = f"{number:02d}-{safe}.png"
            write_whole(folder / FOLDER / file, partial(picture.save, format="PNG"))
        rows.append(
            {"image": name, "kind": case.kind, "file": file, "threshold": threshold}
            | {one: getattr(case, one) for one in ("found", "missed", "false", "overlap", "score")}
        )
    table = pl.DataFrame(rows, schema=SCHEMA)
    write_table(table, folder / LIST)
    return table["file"].count()


def clear_box_pictures(folder: Path) -> None:
    """Remove the pictures of an earlier judgement."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    (folder / LIST).unlink(missing_ok=True)


def _called(boxes: ReadBoxes, image: int, number: int) -> str:
    name, patient = PurePosixPath(boxes.rows.images[image]).name, boxes.patients[image]
    return f"case {number + 1}" if patient is not None and tells(name, patient) else name


def _draw(boxes: ReadBoxes, image: int, root: Path, threshold: float | None) -> Image.Image:
    rows = boxes.rows
    name = rows.images[image]
    path = root / name
    if not path.is_file():  # lists of one folder give its files' names only
        path = root / PurePosixPath(name).name
    radiograph = open_radiograph(path, at_least_px=_SHOWN_PX)
    mine = rows.predictions.images == image
    if threshold is not None:
        mine &= rows.predictions.scores >= threshold
    surest = np.flatnonzero(mine)[np.argsort(-rows.predictions.scores[mine], kind="stable")][:10]
    return box_overlay(
        radiograph.pixels,
        radiograph.original_size_px,
        true=rows.truth.xywh[rows.truth.images == image],
        shown=rows.predictions.xywh[surest],
        scores=rows.predictions.scores[surest].tolist(),
    )
