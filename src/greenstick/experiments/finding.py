"""Find boxes in the images of a cohort with a trained detector, and hold it against them."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.pixels import PixelStore, open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.experiments.answering import answer_on
from greenstick.files import write_whole
from greenstick.models.card import write_card
from greenstick.models.cells import STRIDES
from greenstick.models.detector import MERGE_IOU, Detector
from greenstick.models.detector_checkpoint import load_detector
from greenstick.models.detector_settings import (
    DetectorAnswer,
    DetectorCard,
    manner_of,
    read_detector_card,
)
from greenstick.models.finding import Network
from greenstick.reading.boxes import compiled
from greenstick.training.facts import fingerprint
from greenstick.training.find import as_table, find_boxes
from greenstick.training.samples import make_rows

Progress = Callable[[int, int], None]


def find_in_cohort(
    model_folder: Path,
    cohort: Cohort,
    *,
    split: str | None = None,
    tile_px: int | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Return the boxes that a detector finds, as by :func:`greenstick.training.find.as_table`.

    Parameters
    ----------
    tile_px
        Side of the tiles of the canvas to look at one by one, 0 for all of it at once; None: as
        the detector's card says.
    progress
        Called with (done, all) while images are decoded, and again while boxes are found.

    Raises
    ------
    GreenstickError
        Where there is no detector, the cohort has no such split, an image cannot be read, or
        tiles are of a wrong side.
    """
    if tile_px and tile_px % STRIDES[-1]:
        raise GreenstickError(
            f"A detector cannot look at tiles of {tile_px} px.",
            remedy=f"Take a multiple of {STRIDES[-1]}, or 0 for the whole canvas.",
        )
    card = read_detector_card(model_folder)
    model: Detector | Network
    if tile_px in (None, card.tile_px):
        model = compiled(model_folder, card)
    else:
        model, card = load_detector(model_folder)
        how = {"tile_px": tile_px, "merge_iou": merge_iou(model, tile_px or 0)}
        card = card.model_copy(update=how)
    store = open_pixel_store(canvas_px=card.canvas_px)
    judged = cohort if split is None else split_of(cohort, split)
    keys = decode(judged, card.canvas_px, progress)
    return found_on(model, store, judged, keys, card, progress)


def calibrate_detector(
    cohort: Cohort, model_folder: Path, *, split: str = "valid", progress: Progress | None = None
) -> DetectorAnswer:
    """Let a detector answer by itself: fit it on a split, and write its card anew.

    None of the images may have been trained on (only where they are just those can it be told);
    those of unknown label take no part.

    Raises
    ------
    GreenstickError
        Where it was trained on these images, and as :func:`find_in_cohort` and
        :func:`greenstick.experiments.answering.fit_answer`.
    """
    card, rows = read_detector_card(model_folder), split_of(cohort, split)
    if _taught(card, rows, decode(rows, card.canvas_px, progress)):
        raise GreenstickError(
            f"The detector was trained on the images of {split!r}: its boxes there are surer "
            "than elsewhere.",
            remedy="Give images with and without a fracture that it was not trained on: --split.",
        )
    found = find_in_cohort(model_folder, cohort, split=split, progress=progress)
    answer = answer_on(rows, found, fitted_on=split)
    write_card(model_folder, card.model_copy(update={"answer": answer}))
    return answer


def _taught(card: DetectorCard, cohort: Cohort, keys: list[bytes]) -> bool:
    """Tell whether a detector was trained on just these images, with these boxes."""
    store = open_pixel_store(canvas_px=card.canvas_px)
    try:
        rows = make_rows(store, cohort.table, keys, box_classes=card.detector.classes)
    except GreenstickError:  # of unknown label or another class: not what it was trained on
        return False
    return fingerprint(rows) == card.training_data.fingerprint


def merge_iou(model: Detector, tile_px: int) -> float:
    """Return from which overlap on a box is dropped; tiles show a fracture more than once."""
    return MERGE_IOU if tile_px else model.merge_iou


def split_of(cohort: Cohort, name: str) -> Cohort:
    """Return the rows of one split.

    Raises
    ------
    GreenstickError
        Where there are none.
    """
    rows = cohort.table.filter(pl.col("split") == name)
    if rows.is_empty():
        raise GreenstickError(
            f"The cohort has no images of split {name!r}.",
            remedy="Split it first: greenstick cohort split.",
        )
    return cohort.with_table(rows)


def decode(cohort: Cohort, canvas_px: int, progress: Progress | None = None) -> list[bytes]:
    """Decode what is not in the pixel store yet, and return each image's key.

    Raises
    ------
    GreenstickError
        Where an image cannot be read.
    """
    added = open_pixel_store(canvas_px=canvas_px).add(cohort.paths(), progress=progress)
    remedy = "Drop them first: greenstick cohort audit --drop clean.parquet."
    return added.every_key(cohort.table["image"].to_list(), remedy=remedy)


def found_on(
    model: Detector | Network,
    store: PixelStore,
    cohort: Cohort,
    keys: list[bytes],
    card: DetectorCard,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Return the boxes on a cohort's images, whose keys in the pixel store are at hand."""
    found = find_boxes(model, store, keys, manner_of(card), progress=progress)
    return as_table(cohort.table["image"].to_list(), found, card.detector.classes)


def check_boxes_file(path: Path) -> None:
    """Refuse a file that boxes are not written to, before they are looked for.

    Raises
    ------
    GreenstickError
        Where its name ends otherwise than in .csv or .parquet, or there is a folder.
    """
    if path.suffix.lower() not in (".csv", ".parquet") or path.is_dir():
        raise GreenstickError(
            f"Boxes are not written to {path}.",
            remedy="Give a file whose name ends in .csv or .parquet.",
        )


def write_boxes(table: pl.DataFrame, path: Path) -> None:
    """Write boxes as CSV where the name ends so, else as Parquet; whole or not at all."""
    is_csv = path.suffix.lower() == ".csv"
    write_whole(path, table.write_csv if is_csv else table.write_parquet)
