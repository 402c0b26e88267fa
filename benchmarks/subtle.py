"""Subtle fractures: what learns from healthy images alone beside what learns from labels.

On drawn films the visibility of each fracture is known, from plain to hairline; on a cohort of
yours (``--cohort``, with a split column) it is not. Each method is fitted on the training rows,
its threshold chosen on the validation rows (Youden), its scores and maps judged on the test rows:

- memory: nearest feature of a memory of healthy ones (PatchCore); no label is used
- autoencoder: error of a plain autoencoder; no label is used
- departures: departures from a restorer, in units of the expected; no label is used
- plain: a classifier of whole images by label, average pooling (its map is what Grad-CAM gives)
- cells: a grid of cells by boxes, weighted cross-entropy
- residual: the same, and it sees restorations and departures too (MPR)

Run with ``python benchmarks/subtle.py`` (two hours of one core). What a method found is kept, so
that methods may be run one by one; the table is of all that are there.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import nn

from greenstick.cohorts.cohort import Cohort, make_cohort, read_cohort, write_cohort
from greenstick.cohorts.drawn import write_phantom_cohort
from greenstick.cohorts.pixels import PixelStore, open_pixel_store
from greenstick.decision.operating_points import choose_operating_point, decide
from greenstick.evidence.at_point import f1, proportion
from greenstick.evidence.bootstrap import limits_of, resample
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.localisation import localisation
from greenstick.evidence.rows import to_rows
from greenstick.explanation.activation_maps import heatmap, measure
from greenstick.models.patch_checkpoint import load_restorer
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.training.fit import fit
from greenstick.training.peer_recipes import AutoencoderRecipe, DeparturesRecipe, MemoryRecipe
from greenstick.training.peers import fit_autoencoder, fit_departures, fit_memory
from greenstick.training.predict import to_images
from greenstick.training.ranking import auroc as plain_auroc
from greenstick.training.recipe import Recipe
from greenstick.training.restorer import fit_restorer
from greenstick.training.restorer_recipe import RestorerRecipe
from greenstick.training.samples import TrainingData, make_rows

#: Bounds of visibility, c / (c + 3) of the contrast-to-noise ratio c: at c = 3 and 7.
BANDS = {"faint": (0.0, 0.5), "middling": (0.5, 0.7), "plain": (0.7, 1.0)}
SEEDS = {"train": 11, "test": 12}


@dataclass(frozen=True, eq=False)
class Films:
    """A cohort with its pixels."""

    table: pl.DataFrame
    store: PixelStore
    keys: NDArray[np.object_]

    def of(self, split: str) -> pl.DataFrame:
        return self.table.filter(split=split)

    def keys_of(self, split: str, label: int | None = None) -> list[bytes]:
        which = (self.table["split"] == split).to_numpy()
        if label is not None:
            which &= (self.table["label"] == label).to_numpy()
        return list(self.keys[which])


def main() -> None:
    """Parse the options, run what is not there yet, and print the table of all that is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/subtle"), help="is kept")
    parser.add_argument("--cohort", type=Path, help="of yours, split; default: drawn films")
    parser.add_argument("--films", type=int, default=900, help="drawn for training")
    parser.add_argument("--tested", type=int, default=600, help="drawn for the test")
    parser.add_argument("--size", type=int, default=256, help="canvas, px")
    parser.add_argument("--methods", default=",".join(METHODS), help="by name; empty: none")
    parser.add_argument("--restorer", type=Path, help="a trained one; default: it is trained")
    parser.add_argument("--steps", type=int, default=3000, help="of the restorer")
    parser.add_argument("--epochs", type=int, default=6, help="of the classifiers")
    parser.add_argument("--guide", default="contours", help="what the restorer is told")
    parser.add_argument(
        "--contaminated", type=float, default=0.0, help="share of 'healthy', broken"
    )
    parser.add_argument("--labeled", type=int, default=0, help="films that classifiers see; 0: all")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    films = gather(options)
    for name in filter(None, options.methods.split(",")):
        if not kept(options, name).is_file():
            start = time.process_time()
            model = METHODS[name](options, films)
            score(model, films, kept(options, name))
            print(f"{name}: {time.process_time() - start:.0f} s of processor time", flush=True)
    show(options, films)


def gather(options: argparse.Namespace) -> Films:
    """Draw films, or take those of a cohort, and decode them."""
    cohort = read_cohort(options.cohort or draw(options))
    cohort = cohort.with_table(cohort.table.filter(pl.col("split").is_not_null()))
    store = open_pixel_store(canvas_px=options.size)
    keys = store.add(cohort.paths(), workers=1).keys
    return Films(cohort.table, store, np.array(keys, dtype=object))


def draw(options: argparse.Namespace) -> Path:
    """Draw the films of two seeds; the last fifth of the first is for validation."""
    path = options.output / "cohort.parquet"
    if path.is_file():
        return Path(path)
    tables = []
    for part, seed in SEEDS.items():
        films = options.films if part == "train" else options.tested
        drawn = write_phantom_cohort(
            options.output / part, films, seed=seed, size_px=384, overwrite=True
        )
        number = pl.col("patient").str.extract(r"(\d+)$").cast(pl.Int64)
        last = number >= 0.8 * number.max()
        split = pl.when(last).then(pl.lit("valid")).otherwise(pl.lit("train"))
        tables.append(
            read_cohort(drawn).table.with_columns(
                image=pl.lit(part + "/") + pl.col("image"),
                patient=pl.lit(part + " ") + pl.col("patient"),
                split=split if part == "train" else pl.lit("test"),
            )
        )
    cohort: Cohort = make_cohort(pl.concat(tables), options.output)
    write_cohort(cohort, path)
    return Path(path)


def healthy(options: argparse.Namespace, films: Films) -> list[bytes]:
    """Return the healthy training films, among them the stated share of broken ones."""
    keys = films.keys_of("train", 0)
    broken = round(len(keys) * options.contaminated / (1.0 - options.contaminated))
    return keys + films.keys_of("train", 1)[:broken]


def memory(options: argparse.Namespace, films: Films) -> nn.Module:
    """Remember healthy features."""
    return fit_memory(
        films.store, healthy(options, films), films.keys_of("valid", 0),
        MemoryRecipe(seen=50_000), ClassifierSettings(),
    )  # fmt: skip


def autoencoder(options: argparse.Namespace, films: Films) -> nn.Module:
    """Train an autoencoder."""
    return fit_autoencoder(
        films.store, healthy(options, films), films.keys_of("valid", 0), AutoencoderRecipe()
    )


def departures(options: argparse.Namespace, films: Films) -> nn.Module:
    """Train a restorer, and learn what to expect of it."""
    return fit_departures(
        restorer_of(options, films), films.store, healthy(options, films),
        films.keys_of("valid", 0), DeparturesRecipe(),
    )  # fmt: skip


def restorer_of(options: argparse.Namespace, films: Films) -> Restorer:
    """Load the restorer, or train it."""
    folder = options.restorer or options.output / "restorer"
    if (folder / "restorer.json").is_file():
        return load_restorer(folder)
    recipe = RestorerRecipe(steps=options.steps, lr=3e-3, adversarial=0.0, check_every=500)
    settings = RestorerSettings(patch_px=8, scales=(1, 2), guide=options.guide)
    fitted = fit_restorer(
        films.store, healthy(options, films), films.keys_of("valid", 0), recipe, settings, folder
    )
    print(fitted.history, *(finding.message for finding in fitted.findings), sep="\n")
    return fitted.restorer


def classifier(options: argparse.Namespace, films: Films, name: str) -> nn.Module:
    """Train a classifier by the same recipe for all."""
    restorer = restorer_of(options, films) if name == "residual" else None
    settings = (
        ClassifierSettings(batch_norm="fold")
        if name == "plain"
        else ClassifierSettings(
            head="cells", pooling="highest", batch_norm="fold",
            restorer=None if restorer is None else restorer.settings,
        )
    )  # fmt: skip
    recipe = Recipe(
        canvas_px=options.size, epochs=options.epochs, batch_size=16, frozen_stages=3,
        loss="bce" if name == "plain" else "cells", positive_weight=10.0, flip_average=False,
        precision="bf16",
    )  # fmt: skip
    train, keys = films.of("train"), films.keys_of("train")
    if options.labeled:
        chosen = np.random.default_rng(0).permutation(len(keys))[: options.labeled]
        train, keys = train[chosen], [keys[at] for at in chosen]
    valid = make_rows(films.store, films.of("valid"), films.keys_of("valid"))
    data = TrainingData(films.store, make_rows(films.store, train, keys), valid)
    folder = options.output / f"fit-{name}"
    fitted = fit(
        data, recipe, settings, folder, restorer=restorer,
        trainer_flags={"accelerator": "cpu"},
    )  # fmt: skip
    print(name, fitted.history["valid_auroc"].to_list())
    return fitted.model


METHODS: dict[str, Callable[[argparse.Namespace, Films], nn.Module]] = {
    "memory": memory,
    "autoencoder": autoencoder,
    "departures": departures,
    "plain": lambda options, films: classifier(options, films, "plain"),
    "cells": lambda options, films: classifier(options, films, "cells"),
    "residual": lambda options, films: classifier(options, films, "residual"),
}


def kept(options: argparse.Namespace, name: str) -> Path:
    """Return where a method's scores are kept."""
    return Path(options.output / f"scores-{name}.npz")


@torch.inference_mode()
def score(model: nn.Module, films: Films, path: Path) -> None:
    """Write logits and maps of the validation and test films."""
    model.eval()
    found: dict[str, NDArray[np.float32]] = {}
    for split in ("valid", "test"):
        keys, parts = films.keys_of(split), []
        for start in range(0, len(keys), 8):
            canvases = torch.from_numpy(films.store.gather(keys[start : start + 8]))
            parts.append(model(to_images(canvases))[:2])
        found[f"{split}_logits"] = torch.cat([part[0][:, 0] for part in parts]).float().numpy()
        found[f"{split}_maps"] = torch.cat([part[1][:, 0] for part in parts]).float().numpy()
    np.savez(path, **found)  # type: ignore[arg-type]


def show(options: argparse.Namespace, films: Films) -> None:
    """Print the table of all methods whose scores are there."""
    bands = "visibility" in films.table.columns
    columns = ["AUROC", *(BANDS if bands else ()), "pixel AUROC", "peak in a box",
               "accuracy", "sensitivity", "specificity", "F1"]  # fmt: skip
    test = films.of("test")
    table = Table("", *columns, title=f"{test.height} test films, {test['label'].sum()} fractured")
    for name in METHODS:
        if kept(options, name).is_file():
            found = dict(np.load(kept(options, name)))
            table.add_row(name, *map(told, judge(films, found, bands=bands)))
    Console(width=200).print(table)


def told(estimate: Estimate) -> str:
    """Return a figure with its interval."""
    if estimate.value is None or estimate.lower is None or estimate.upper is None:
        return "-"
    return f"{estimate.value:.3f} ({estimate.lower:.3f}-{estimate.upper:.3f})"


def judge(films: Films, found: dict[str, NDArray[np.float32]], *, bands: bool) -> list[Estimate]:
    """Return a method's figures on the test films, in the order of the table's columns."""
    test, valid = films.of("test"), films.of("valid")
    rows = to_rows(test.with_columns(score=pl.Series(found["test_logits"], dtype=pl.Float64)))
    figures = [auroc(rows)]
    if bands:
        visibility = test["visibility"].fill_null(-1.0).to_numpy()
        for low, high in BANDS.values():
            figures.append(
                auroc(rows.take(~rows.labels | ((visibility >= low) & (visibility < high))))
            )
    figures += [pixel_auroc(films, found["test_maps"]), *peaks(films, found["test_maps"])]
    point = choose_operating_point(
        valid["label"].to_numpy() == 1, found["valid_logits"].astype(np.float64), chosen_on="valid"
    )
    calls = decide(rows.scores, point)
    everywhere = np.ones_like(rows.labels)
    return [
        *figures,
        proportion("accuracy", rows, calls == rows.labels, among=everywhere),
        proportion("sensitivity", rows, calls, among=rows.labels),
        proportion("specificity", rows, ~calls, among=~rows.labels),
        f1(rows, calls),
    ]


def pixel_auroc(films: Films, maps: NDArray[np.float32]) -> Estimate:
    """Return the mean over films with boxes of how well pixels in boxes rank above the others."""
    values, patients = [], []
    for row, key, cells in boxed(films, maps):
        placement = films.store.placement(key)
        fine = placement.map_to_original(cells)
        inside = np.zeros(fine.shape, np.bool_)
        for box in row["boxes"]:
            left, top = max(0, round(box["x"])), max(0, round(box["y"]))
            inside[top : round(box["y"] + box["height"]), left : round(box["x"] + box["width"])] = (
                True
            )
        values.append(plain_auroc(inside.ravel(), fine.ravel()))
        patients.append(row["patient"])
    _, numbers = np.unique(patients, return_inverse=True)
    sums, n = np.bincount(numbers, values), np.bincount(numbers).astype(float)
    drawn = resample(
        lambda weights: {"pixel AUROC": (weights @ sums) / (weights @ n)},
        patients=len(n), rows=len(n), replicates=2000, seed=0,
    )  # fmt: skip
    value = float(sums.sum() / n.sum())
    limits = limits_of("pixel AUROC", value, drawn, len(n), 0.95)
    return Estimate(
        name="pixel AUROC", value=value, lower=limits.lower, upper=limits.upper, level=0.95,
        method=limits.method, n_images=len(values), n_patients=len(n),
    )  # fmt: skip


def peaks(films: Films, maps: NDArray[np.float32]) -> list[Estimate]:
    """Return how often the map's peak lies in a box."""
    rows = []
    for row, key, cells in boxed(films, maps):
        sides = [[box["x"], box["y"], box["width"], box["height"]] for box in row["boxes"]]
        agreement = measure(heatmap(cells, films.store.placement(key)), sides)
        rows.append({"image": row["image"], "patient": row["patient"], **vars(agreement)})
    return localisation(pl.DataFrame(rows))[:1]


def boxed(films: Films, maps: NDArray[np.float32]):  # type: ignore[no-untyped-def]
    """Give (row, key, map) of each test film with boxes."""
    for row, key, cells in zip(
        films.of("test").iter_rows(named=True), films.keys_of("test"), maps, strict=True
    ):
        if row["boxes"]:
            yield row, key, cells


if __name__ == "__main__":
    main()
