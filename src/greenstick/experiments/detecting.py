"""Train a detector on a cohort."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from greenstick.cohorts.checked import checked
from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.pixels import open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import Confidence, choose_confidence
from greenstick.evidence.detection.predictions import on_truth
from greenstick.evidence.detection.truth import truth_of
from greenstick.experiments.answering import answer_on
from greenstick.experiments.familiarity import note_familiar
from greenstick.experiments.finding import decode, found_on, merge_iou, split_of
from greenstick.experiments.held import held
from greenstick.models.card import CardOperatingPoint, TrainedOn
from greenstick.models.detector import Detector
from greenstick.models.detector_backends import backend_of
from greenstick.models.detector_checkpoint import save_detector
from greenstick.models.detector_settings import DetectorCard, DetectorSettings
from greenstick.training.detection import DetectorFit, fit_detector
from greenstick.training.facts import fingerprint, holds_another, identify
from greenstick.training.keeper import TrainingProgress
from greenstick.training.labels import box_class_names
from greenstick.training.recipe import Recipe
from greenstick.training.samples import TrainingData, make_rows

_TRAINING = "training"
#: What differs from a classifier's recipe unless it is set.
DEFAULTS: dict[str, Any] = {"canvas_px": 416, "epochs": 30, "batch_size": 16, "lr": 1e-3}


@dataclass(frozen=True)
class DetectorResult:
    """A trained detector.

    Attributes
    ----------
    folder
        Where it is.
    valid_ap, kept_epoch
        The kept epoch's average precision at IoU 0.5, and that epoch, from 0 on.
    confidence
        From which score on a box is shown.
    no_answer
        Why it cannot answer by itself; empty where it can.
    """

    folder: Path
    valid_ap: float
    kept_epoch: int
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
    overwrite: bool = False,
    trainer_flags: Mapping[str, Any] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> DetectorResult:
    """Train on a cohort's split 'train', stop by 'valid', and choose the confidence there.

    The folder becomes the detector's checkpoint; its part ``training`` lets a stopped training
    go on. Fractures whose boxes nobody drew are left out of the choice of the confidence.

    Raises
    ------
    GreenstickError
        Where a split or its boxes are missing, an image cannot be read, the folder holds a
        detector of other settings, images or seed (unless it may be ``overwrite``-n), or another
        process works there.
    """
    with held(folder):
        train, valid = split_of(cohort, "train"), split_of(cohort, "valid")
        data = _data(train, valid, recipe, settings.classes)
        if not overwrite:
            _refuse_another(folder, identify(data, recipe, settings, seed))
        fitted = fit_detector(
            data,
            recipe,
            settings,
            folder / _TRAINING,
            seed=seed,
            trainer_flags=trainer_flags,
            progress=progress,
        )
        name = f"{folder.name}/{settings.backbone}"
        card = _card(name, fitted.model, recipe, _learned(train, data))
        return _conclude(folder, card, fitted, data, valid)


def _refuse_another(folder: Path, identity: str) -> None:
    if holds_another(folder / _TRAINING, identity):
        raise GreenstickError(
            f"{folder} holds a detector of other settings, images or seed, or one half trained.",
            remedy="Choose another folder, or replace it with --overwrite.",
        )


def _data(train: Cohort, valid: Cohort, recipe: Recipe, classes: tuple[str, ...]) -> TrainingData:
    store, px = open_pixel_store(canvas_px=recipe.canvas_px), recipe.canvas_px
    sides = (
        make_rows(store, rows.table, decode(rows, px), box_classes=classes)
        for rows in (train, valid)
    )
    return TrainingData(store, *sides)


def _conclude(
    folder: Path, card: DetectorCard, fitted: DetectorFit, data: TrainingData, valid: Cohort
) -> DetectorResult:
    """Choose on validation images from which score on a box is shown; write the checkpoint."""
    store = open_pixel_store(canvas_px=card.canvas_px)
    model, keys = fitted.model, data.valid.keys
    found = found_on(model, store, valid, keys, card)
    confidence = _confidence(valid, found, classes=card.detector.classes)
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
    note_familiar(folder, store, data.train.keys, keys, seen_px=card.seen_px)
    valid_ap = float(fitted.history["valid_ap"][fitted.kept_epoch])
    return DetectorResult(folder, valid_ap, fitted.kept_epoch, confidence, no_answer)


def _learned(train: Cohort, data: TrainingData) -> TrainedOn:
    return TrainedOn(
        fingerprint=fingerprint(data.train),
        n_images=len(train),
        n_patients=train.patients().n_unique(),
        n_positive=int(train.table["label"].sum()),
    )


def _card(name: str, model: Detector, recipe: Recipe, learned: TrainedOn) -> DetectorCard:
    backend, tile_px = backend_of(model.settings.backbone), tile_side(recipe)
    return DetectorCard(
        name=name,
        detector=model.settings,
        canvas_px=recipe.canvas_px,
        flip_average=recipe.flip_average and not model.sets,
        merge_iou=merge_iou(model, tile_px),
        tile_px=tile_px,
        license=backend.license if backend else "",
        training_data=learned,
    )


def taught(cohort: Cohort) -> Cohort:
    """Return the rows of a cohort that a training needs: the splits 'train' and 'valid'.

    Raises
    ------
    GreenstickError
        Where one of them is missing.
    """
    parts = [split_of(cohort, name).table for name in ("train", "valid")]
    return cohort.with_table(pl.concat(parts))


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
