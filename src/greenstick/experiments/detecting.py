"""Train a detector on a cohort, and find boxes in the images of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from greenstick.cohorts.checked import checked
from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.pixels import PixelStore, open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import Confidence, choose_confidence
from greenstick.evidence.detection.predictions import on_truth
from greenstick.evidence.detection.truth import truth_of
from greenstick.experiments.answering import answer_on
from greenstick.files import write_whole
from greenstick.models.card import CardOperatingPoint, TrainedOn, write_card
from greenstick.models.cells import STRIDES
from greenstick.models.detector import MERGE_IOU, Detector
from greenstick.models.detector_backends import backend_of
from greenstick.models.detector_checkpoint import load_detector, save_detector
from greenstick.models.detector_settings import (
    DetectorAnswer,
    DetectorCard,
    DetectorSettings,
    manner_of,
    read_detector_card,
)
from greenstick.models.finding import Network
from greenstick.reading.boxes import compiled
from greenstick.training.detection import fit_detector
from greenstick.training.facts import fingerprint
from greenstick.training.find import as_table, find_boxes
from greenstick.training.keeper import TrainingProgress
from greenstick.training.labels import box_class_names
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Rows, TrainingData, make_rows

Progress = Callable[[int, int], None]

#: What differs from a classifier's recipe unless it is set.
DEFAULTS: dict[str, Any] = {"canvas_px": 416, "epochs": 30, "batch_size": 16, "lr": 1e-3}


@dataclass(frozen=True)
class DetectorResult:
    """A trained detector.

    Attributes
    ----------
    folder
        Where it is.
    valid_ap, best_epoch
        Its best epoch's average precision at IoU 0.5, and that epoch, from 0 on.
    confidence
        From which score on a box is shown.
    no_answer
        Why it cannot answer by itself; empty where it can.
    """

    folder: Path
    valid_ap: float
    best_epoch: int
    confidence: Confidence
    no_answer: str = ""


def detector_recipe(pairs: Mapping[str, str]) -> Recipe:
    """Return a recipe of NAME=VALUE settings; ``augmentation.NAME`` sets one of augmentation's.

    Raises
    ------
    GreenstickError
        Where there is no such setting, or a value does not fit.
    """
    values: dict[str, Any] = dict(DEFAULTS)
    for name, value in pairs.items():
        group, dot, inner = name.partition(".")
        if dot:
            values.setdefault(group, {})[inner] = value
        else:
            values[name] = value
    return checked(Recipe, "Recipe", "greenstick detector train --help", values)


def tile_side(recipe: Recipe) -> int:
    """Return the side of the tiles that a detector of crops finds by; 0: whole canvases."""
    return recipe.crop_px if recipe.canvas_px >= 2 * recipe.crop_px else 0


def train_detector(
    cohort: Cohort,
    folder: Path,
    settings: DetectorSettings,
    recipe: Recipe,
    *,
    seed: int = 0,
    trainer_flags: Mapping[str, Any] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> DetectorResult:
    """Train on a cohort's split 'train', stop by 'valid', and choose the confidence there.

    The folder becomes the detector's checkpoint; its part ``training`` lets a stopped training
    go on. Fractures whose boxes nobody drew are left out of the choice of the confidence.

    Raises
    ------
    GreenstickError
        Where a split or its boxes are missing, or an image cannot be read.
    """
    store = open_pixel_store(canvas_px=recipe.canvas_px)
    train, valid = _split(cohort, "train"), _split(cohort, "valid")
    keys = decode(valid, recipe.canvas_px)
    data = TrainingData(
        store,
        _rows(store, train, decode(train, recipe.canvas_px), settings.classes),
        _rows(store, valid, keys, settings.classes),
    )
    fitted = fit_detector(
        data,
        recipe,
        settings,
        folder / "training",
        seed=seed,
        trainer_flags=trainer_flags,
        progress=progress,
    )
    backend, model = backend_of(settings.backbone), fitted.model
    tile_px = tile_side(recipe)
    card = DetectorCard(
        name=f"{folder.name}/{settings.backbone}",
        detector=model.settings,
        canvas_px=recipe.canvas_px,
        flip_average=recipe.flip_average and not model.sets,
        # Tiles show a fracture more than once, whatever finds it.
        merge_iou=MERGE_IOU if tile_px else model.merge_iou,
        tile_px=tile_px,
        license=backend.license if backend else "",
        training_data=TrainedOn(
            fingerprint=fingerprint(data.train),
            n_images=len(train),
            n_patients=train.patients().n_unique(),
            n_positive=int(train.table["label"].sum()),
        ),
    )
    found = _found(model, store, valid, keys, card)
    confidence = _confidence(valid, found, classes=settings.classes)
    point = CardOperatingPoint(
        threshold=confidence.threshold,
        rule=confidence.rule,
        chosen_on=confidence.chosen_on,
        n=confidence.n_images,
    )
    no_answer, answer = "", None
    try:
        answer = answer_on(valid, found, fitted_on="valid")
    except GreenstickError as error:
        no_answer = error.message
    told = {"operating_points": (point,), "answer": answer}
    save_detector(folder, model, card.model_copy(update=told))
    best = float(fitted.history["valid_ap"][fitted.best_epoch])
    return DetectorResult(folder, best, fitted.best_epoch, confidence, no_answer)


def calibrate_detector(
    cohort: Cohort, model_folder: Path, *, split: str = "valid", progress: Progress | None = None
) -> DetectorAnswer:
    """Let a detector answer by itself: fit it on a split, and write its card anew.

    None of the images may have been trained on; those of unknown label take no part.

    Raises
    ------
    GreenstickError
        As :func:`find_in_cohort` and :func:`greenstick.experiments.answering.fit_answer`.
    """
    card = read_detector_card(model_folder)
    found = find_in_cohort(model_folder, cohort, split=split, progress=progress)
    answer = answer_on(_split(cohort, split), found, fitted_on=split)
    write_card(model_folder, card.model_copy(update={"answer": answer}))
    return answer


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
        card = card.model_copy(update={"tile_px": tile_px})
    store = open_pixel_store(canvas_px=card.canvas_px)
    judged = cohort if split is None else _split(cohort, split)
    keys = decode(judged, card.canvas_px, progress)
    return _found(model, store, judged, keys, card)


def _split(cohort: Cohort, name: str) -> Cohort:
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
    if added.unreadable:
        first = added.unreadable[0]
        raise GreenstickError(
            f"{len(added.unreadable)} images cannot be read, first "
            f"{cohort.table['image'][first.index]}: {first.reason}",
            remedy="Drop them first: greenstick cohort audit --drop clean.parquet.",
        )
    return [key for key in added.keys if key is not None]


def _found(
    model: Detector | Network,
    store: PixelStore,
    cohort: Cohort,
    keys: list[bytes],
    card: DetectorCard,
) -> pl.DataFrame:
    found = find_boxes(model, store, keys, manner_of(card))
    return as_table(cohort.table["image"].to_list(), found, card.detector.classes)


def _confidence(valid: Cohort, found: pl.DataFrame, *, classes: tuple[str, ...]) -> Confidence:
    one = len(classes) == 1
    truth = truth_of(valid.table, classes=() if one else classes)
    boxes = on_truth(found, truth, skip_unknown=True, any_class=one).boxes
    rows = truth.against(boxes)
    return choose_confidence(rows.merged() if one else rows, chosen_on="valid")


def box_classes(cohort: Cohort, wanted: str) -> tuple[str, ...]:
    """Return the classes that a detector is to tell apart.

    Parameters
    ----------
    cohort
        Whose boxes it is trained on.
    wanted
        ``"one"``: all boxes are of one class, a fracture. ``"by-box"``: the classes of the
        cohort's boxes. Else their names, with commas between.

    Raises
    ------
    GreenstickError
        Where boxes have no class by which to tell them apart.
    """
    if wanted == "one":
        return DetectorSettings().classes
    there = box_class_names(cohort.table)
    named = there if wanted == "by-box" else tuple(name.strip() for name in wanted.split(","))
    if len(named) < 2 or not set(named) & set(there):
        raise GreenstickError(
            f"{wanted!r} does not tell the cohort's boxes apart; their classes are: "
            f"{', '.join(there) or 'none'}.",
            remedy="Name two or more of them, or leave --classes out.",
        )
    return named


def _rows(store: PixelStore, cohort: Cohort, keys: list[bytes], classes: tuple[str, ...]) -> Rows:
    return make_rows(store, cohort.table, keys, box_classes=classes)


def write_boxes(table: pl.DataFrame, path: Path) -> None:
    """Write boxes as CSV where the name ends so, else as Parquet; whole or not at all."""
    is_csv = path.suffix.lower() == ".csv"
    write_whole(path, table.write_csv if is_csv else table.write_parquet)
