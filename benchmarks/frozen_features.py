"""A head on a frozen backbone: features computed once against going through the network each epoch.

Same images, same copies, same network, one after the other in one run::

    python benchmarks/frozen_features.py [FOLDER] [--images 128] [--copies 8] [--epochs 40]

FOLDER holds images (default: FracAtlas beside the project, else a drawn phantom). Every epoch of
full passes costs the same, so a few (``--measured``) are timed and the others are counted. The
same few epochs are trained on features too, and the two networks' logits compared. The time of
the features is that of the whole fit.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from greenstick.cohorts.pixels import open_pixel_store
from greenstick.models.settings import ClassifierSettings
from greenstick.training.fit import FitResult, fit
from greenstick.training.predict import predict
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Rows, TrainingData
from training import WEIGHTS, find_images


def timed(
    data: TrainingData, recipe: Recipe, network: ClassifierSettings
) -> tuple[float, FitResult]:
    """Return the seconds of a whole fit, and what it gave."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = fit(data, recipe, network, folder, trainer_flags={"accelerator": "cpu"})
    return time.perf_counter() - start, result


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--measured", type=int, default=2)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    options = parser.parse_args()
    if WEIGHTS.is_dir():
        os.environ.setdefault("GREENSTICK_WEIGHTS", str(WEIGHTS))
    with tempfile.TemporaryDirectory() as name:
        measure(options, Path(name))


def measure(options: argparse.Namespace, scratch: Path) -> None:
    """Fit on features for all epochs, and both ways for a few."""
    paths = find_images(options.folder, options.images, scratch)
    store = open_pixel_store(scratch / "cache", options.size)
    keys = [key for key in store.add(paths).keys if key is not None]
    labels = np.arange(len(keys)) % 2  # speed does not depend on them
    few = len(keys) // 8
    data = TrainingData(
        store,
        Rows(keys[few:], labels[few:], [None] * (len(keys) - few)),
        Rows(keys[:few], labels[:few], [None] * few),
    )
    recipe = Recipe(
        canvas_px=options.size,
        freeze="head-only",
        copies=options.copies,
        epochs=options.epochs,
        precision="32",
        schedule="constant",
        flip_average=False,
    )
    network = ClassifierSettings(backbone=options.backbone)
    quick, _ = timed(data, recipe, network)
    short = recipe.model_copy(update={"epochs": options.measured})
    _, on_features = timed(data, short, network)
    _, through = timed(data, short.model_copy(update={"keep_features": False}), network)
    logits = [predict(each.model, store, data.valid.keys).logits for each in (on_features, through)]
    an_epoch = float(through.history["seconds"].mean())  # type: ignore[arg-type]
    show(options, quick, an_epoch, float(np.abs(logits[0] - logits[1]).max()))


def show(options: argparse.Namespace, quick: float, an_epoch: float, difference: float) -> None:
    """Print the table."""
    title = (
        f"{options.backbone}, {options.size} px, {options.images} images, {options.copies} copies "
        f"of each, {options.epochs} epochs, CPU"
    )
    table = Table("head of a frozen backbone", "seconds", "ratio", title=title)
    slow = an_epoch * options.epochs
    table.add_row(f"full passes ({options.measured} epochs timed)", f"{slow:.1f}", "1")
    table.add_row("features computed once", f"{quick:.1f}", f"{slow / quick:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"{torch.get_num_threads()} threads; an epoch of full passes {an_epoch:.1f} s; largest "
        f"difference of a validation logit after {options.measured} epochs {difference:.1e}"
    )


if __name__ == "__main__":
    main()
