"""What must hold before anything is trained, told in the user's words."""

import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.findings import Finding, Severity
from greenstick.models.settings import ClassifierSettings
from greenstick.training.recipe import Recipe
from greenstick.training.samples import TrainingData

#: Measured on a phantom cohort; see docs/training.md.
SAFE_FOLDED_LR = 1e-4


def check(data: TrainingData, recipe: Recipe, settings: ClassifierSettings) -> None:
    """Refuse data and settings that cannot give a model.

    Raises
    ------
    GreenstickError
        Where rows are missing or of one class only, or settings contradict each other or the
        pixel store.
    """
    for name, labels in (("training", data.train.labels), ("validation", data.valid.labels)):
        _check_labels(name, labels, settings)
    _check_classes(data.train.labels, settings)
    check_settings(recipe, settings)
    _check_unlabeled(data, recipe)
    check_canvas(data, recipe)


def check_settings(recipe: Recipe, settings: ClassifierSettings) -> None:
    """Refuse settings that cannot give a model, whatever the data.

    Raises
    ------
    GreenstickError
        Where they contradict each other.
    """
    _check_outputs(recipe, settings)
    _check_crops(recipe)
    _check_scales(recipe, settings)


def _check_crops(recipe: Recipe) -> None:
    if recipe.crop_px > recipe.canvas_px:
        raise GreenstickError(
            f"Crops of {recipe.crop_px} px do not fit a canvas of {recipe.canvas_px} px.",
            remedy="Lower recipe.crop_px or raise recipe.canvas_px.",
        )


def _check_unlabeled(data: TrainingData, recipe: Recipe) -> None:
    if not recipe.unlabeled_weight:
        return
    if recipe.crop_px:
        raise GreenstickError(
            "A crop of an image without a label may leave out what the whole one shows.",
            remedy="Set recipe.crop_px or recipe.unlabeled_weight to 0.",
        )
    if not data.unlabeled:
        raise GreenstickError(
            "recipe.unlabeled_weight is set, and there are no training images without a label.",
            remedy="Add rows without a label to the cohort, or set recipe.unlabeled_weight to 0.",
        )


def check_canvas(data: TrainingData, recipe: Recipe) -> None:
    """Refuse a pixel store of other canvases than the recipe's, and crops that do not fit them."""
    _check_crops(recipe)
    if data.store.canvas_px != recipe.canvas_px:
        raise GreenstickError(
            f"The pixel store holds canvases of {data.store.canvas_px} px, and the recipe wants "
            f"{recipe.canvas_px} px.",
            remedy="Open the pixel store with the recipe's canvas_px.",
        )


def _check_scales(recipe: Recipe, settings: ClassifierSettings) -> None:
    if settings.restorer is None:
        return
    block = 8 * max(settings.restorer.scales)
    for name in ("canvas_px", "crop_px", "start_px"):
        if getattr(recipe, name) % block:
            raise GreenstickError(
                f"A restorer of scales {settings.restorer.scales} cannot take "
                f"recipe.{name} = {getattr(recipe, name)}.",
                remedy=f"Take a multiple of {block}.",
            )


def advise(recipe: Recipe, settings: ClassifierSettings) -> list[Finding]:
    """Return what is likely to go wrong with these settings, though they can be trained."""
    folded = settings.batch_norm == "fold" and settings.weights != "none"
    part_frozen = recipe.frozen_stages or recipe.freeze == "head-only"
    if not folded or part_frozen or recipe.lr <= SAFE_FOLDED_LR:
        return []
    return [
        Finding(
            code="rate-high-without-norms",
            severity=Severity.WARNING,
            message=f"A learning rate of {recipe.lr:g} is high for a network of folded norms all "
            "of whose stages are trained: it may come to say the same of every image.",
            remedy=f"Lower recipe.lr to {SAFE_FOLDED_LR:g}, freeze some stages "
            "(recipe.frozen_stages), or set model.batch_norm to 'keep'.",
        )
    ]


def _check_labels(name: str, labels: NDArray[np.int64], settings: ClassifierSettings) -> None:
    if len(labels) == 0:
        raise GreenstickError(
            f"There are no {name} images.", remedy="Check the split's fractions or column."
        )
    several = settings.outputs == "any-of" and len(settings.classes) > 1
    if several != (labels.ndim == 2) or labels.max() >= max(2, len(settings.classes)):
        raise GreenstickError(
            f"The labels of the {name} images do not fit the model's {len(settings.classes)} "
            f"outputs ({settings.outputs}).",
            remedy="Make the rows with the model's settings.",
        )
    columns = labels.T if several else labels[None]
    if all(len(np.unique(column)) < 2 for column in columns):
        raise GreenstickError(
            f"All {len(labels)} {name} images are of one class.",
            remedy="Both classes are needed on each side: use a larger or stratified split.",
        )


def _check_classes(labels: NDArray[np.int64], settings: ClassifierSettings) -> None:
    if len(settings.classes) == 1:
        return
    held = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels)
    for number, name in enumerate(settings.classes):
        if number >= len(held) or held[number] == 0:
            raise GreenstickError(
                f"No training image is of class {name!r}.",
                remedy="Check the name in model.classes, or leave the class out.",
            )


def _check_outputs(recipe: Recipe, settings: ClassifierSettings) -> None:
    if recipe.loss == "cross-entropy" and len(settings.classes) == 1:
        raise GreenstickError(
            "Cross-entropy needs two classes or more, and the model has one output.",
            remedy="Set recipe.loss to 'bce', or give the classes both names.",
        )
    if recipe.loss == "cross-entropy" and settings.outputs == "any-of":
        raise GreenstickError(
            "Cross-entropy is for classes of which one holds, and of these any may.",
            remedy="Set recipe.loss to 'bce' or 'focal', or model.outputs to 'one-of'.",
        )
    if recipe.loss == "cells" and len(settings.classes) > 1:
        raise GreenstickError(
            "The loss 'cells' is for a model of one output: fracture or not.",
            remedy="Set recipe.loss to 'bce' or 'focal', or keep the one class 'fracture'.",
        )
    for setting in ("box_loss_weight", "positive_share", "crop_px"):
        if getattr(recipe, setting) and len(settings.classes) > 1:
            raise GreenstickError(
                f"The setting {setting!r} is for a model of one output: fracture or not.",
                remedy=f"Set recipe.{setting} to 0, or keep the one class 'fracture'.",
            )
