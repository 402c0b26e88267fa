"""What a job does: train, score its rows, and leave what it found in its folder."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.cohort import Cohort, read_cohort
from greenstick.experiments.environment import Hardware, is_main_process
from greenstick.experiments.explain import MAPS, write_maps
from greenstick.experiments.jobs import DONE, Done, Job, read_done, read_job, write_record
from greenstick.experiments.peers import fit_peer
from greenstick.experiments.pixels import Pixels, pixels_of
from greenstick.experiments.pruning import FIT, Pruned, pruning
from greenstick.experiments.restoring import restorer_for, show_restorer, tell_steps
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.experiments.unlabeled import unlabeled_of
from greenstick.models.card import BoxSides, Card, TrainedOn
from greenstick.models.checkpoint import save_checkpoint
from greenstick.models.classifier import Classifier
from greenstick.models.departures import Departures
from greenstick.models.departures_checkpoint import save_departures
from greenstick.models.patch_restorer import Restorer
from greenstick.models.settings import ClassifierSettings
from greenstick.training.fit import FitResult, fingerprint, fit
from greenstick.training.keeper import HISTORY, TrainingProgress
from greenstick.training.labels import NO_FRACTURE
from greenstick.training.predict import Predictions, predict
from greenstick.training.samples import Rows, TrainingData, make_rows

MODEL, LOGITS = "model", "logits.parquet"


def do_job(
    run: RunFolder,
    name: str,
    hardware: Hardware,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> None:
    """Do one job, or go on with it, or nothing where it is done.

    Raises
    ------
    GreenstickError
        Where its rows are of one class only, its weights are missing, or the user stopped it.
    """
    job = read_job(run, name)
    if read_done(run, job) is not None:
        return
    cohort = read_cohort(run / "cohort.parquet")
    pixels = pixels_of(run, cohort, job.settings.recipe.canvas_px)
    sides = rows_of(job, cohort, "train"), rows_of(job, cohort, "valid")
    restorer = restorer_for(job, *sides, pixels, progress)
    if job.settings.keep == "restorer":
        show_restorer(run, job, *sides, pixels)
        write_record(_nothing_else(job), run.work(name) / DONE)
        return
    if job.settings.model.peer:
        _do_peer(run, job, cohort, pixels, restorer, progress)
        return
    data = TrainingData(
        pixels.store,
        train=_rows(job, cohort, pixels, "train"),
        valid=_rows(job, cohort, pixels, "valid"),
        unlabeled=unlabeled_of(run, job, cohort, pixels.store),
    )
    folder = run.work(name)
    try:
        fitted = fit(
            data,
            job.settings.recipe,
            job.settings.model,
            folder / FIT,
            restorer=restorer,
            seed=job.settings.seed,
            trainer_flags=hardware.trainer_flags(),
            progress=pruning(run, job.settings, progress),
        )
    except Pruned:
        write_record(_pruned(run, job), folder / DONE)
        return
    if not is_main_process():
        return
    if job.settings.keep != "nothing":
        _score(run, job, cohort, pixels, fitted.model)
    if job.settings.keep in ("member", "model"):
        train = rows_of(job, cohort, "train")
        card = _draft(job, fitted.model.settings, fitted.model.origin, data.train, train, cohort)
        card = card.model_copy(update={"box_sides": _box_sides(job, train, pixels)})
        save_checkpoint(folder / MODEL, fitted.model, card, onnx=job.settings.keep == "model")
    write_table(fitted.history, folder / HISTORY)
    write_record(_done(job, fitted), folder / DONE)


def _do_peer(
    run: RunFolder,
    job: Job,
    cohort: Cohort,
    pixels: Pixels,
    restorer: Restorer | None,
    progress: Callable[[TrainingProgress], None] | None,
) -> None:
    """Do a job whose model learns from healthy images alone."""
    folder, settings = run.work(job.name), job.settings.model
    train, valid = rows_of(job, cohort, "train"), rows_of(job, cohort, "valid")
    told = None if progress is None else tell_steps(progress, 1)
    fitted = fit_peer(job, train, valid, pixels, restorer, told)
    if job.settings.keep != "nothing":
        _score(run, job, cohort, pixels, fitted.model)
    if job.settings.keep in ("member", "model"):
        healthy = train.filter(label=0)
        rows = make_rows(pixels.store, healthy, pixels.keys_of(healthy), settings)
        card = _draft(job, settings, "", rows, healthy, cohort)
        save_departures(folder / MODEL, fitted.model, card, onnx=job.settings.keep == "model")
    done = _nothing_else(job).model_copy(
        update={
            "weights_origin": "healthy images alone",
            "parameters": sum(p.numel() for p in fitted.model.parameters()),
            "valid_auroc": fitted.valid_auroc,
            "train_seconds": fitted.seconds,
        }
    )
    write_record(done, folder / DONE)


def rows_of(job: Job, cohort: Cohort, split: str) -> pl.DataFrame:
    """Return the cohort's rows on one side of a job's split."""
    mine = job.images.filter(pl.col("split") == split).select("image")
    return cohort.table.join(mine, on="image", how="semi")


def _rows(job: Job, cohort: Cohort, pixels: Pixels, split: str) -> Rows:
    rows = rows_of(job, cohort, split)
    return make_rows(pixels.store, rows, pixels.keys_of(rows), job.settings.model)


def _score(
    run: RunFolder, job: Job, cohort: Cohort, pixels: Pixels, model: Classifier | Departures
) -> None:
    """Write the logits of validation and test rows, and the maps of the test rows."""
    folder, tables = run.work(job.name), []
    for split in ("valid", "test"):
        rows = rows_of(job, cohort, split)
        found = predict(
            model,
            pixels.store,
            pixels.keys_of(rows),
            flip_average=job.settings.recipe.flip_average,
        )
        tables.append(_table(rows["image"], split, found))
        if split == "test" and job.settings.keep != "scores":
            write_maps(
                folder / MAPS, rows["image"].to_list(), _shown(found, job.settings.model.classes)
            )
    write_table(pl.concat(tables), folder / LOGITS)


def _table(images: pl.Series, split: str, found: Predictions) -> pl.DataFrame:
    logits = pl.Series("logits", found.logits, dtype=pl.Array(pl.Float32, found.logits.shape[1]))
    return pl.DataFrame([images, logits]).with_columns(split=pl.lit(split))


def _shown(found: Predictions, classes: Sequence[str]) -> NDArray[np.float32]:
    """Return each image's map, of several kinds of fracture the likeliest's: float32 (n, h, w)."""
    kinds = [number for number, name in enumerate(classes) if name != NO_FRACTURE]
    likeliest = np.array(kinds)[found.logits[:, kinds].argmax(axis=1)]
    return np.asarray(found.maps[np.arange(len(found.maps)), likeliest])


def _draft(
    job: Job,
    model: ClassifierSettings,
    origin: str,
    rows: Rows,
    train: pl.DataFrame,
    cohort: Cohort,
) -> Card:
    """Return the card of a network that is not calibrated yet, and of what it learned from."""
    settings = job.settings
    return Card(
        name=settings.name,
        classifier=model,
        weights_origin=origin,
        canvas_px=settings.recipe.canvas_px,
        flip_average=settings.recipe.flip_average,
        training_data=TrainedOn(
            fingerprint=fingerprint(rows),
            n_images=train.height,
            n_patients=cohort.with_table(train).patients().n_unique(),
            n_positive=int(train["label"].sum()),
        ),
    )


def _box_sides(job: Job, train: pl.DataFrame, pixels: Pixels) -> BoxSides | None:
    """Return how large boxes are, for a network whose cells learned from them; else None."""
    rows = train.filter((pl.col("label") == 1) & (pl.col("boxes").list.len() > 0))
    if job.settings.recipe.loss != "cells" or rows.is_empty():
        return None
    sides = [
        float(np.sqrt(box["width"] * box["height"])) / max(placement.original_size_px)
        for boxes, placement in zip(rows["boxes"], pixels.placements(rows), strict=True)
        for box in boxes
    ]
    low, high = np.quantile(sides, (0.05, 0.95))
    return BoxSides(low=float(low), high=float(high), n=len(sides))


def _done(job: Job, fitted: FitResult) -> Done:
    history = fitted.history
    return Done(
        digest=job.digest,
        weights_origin=fitted.model.origin,
        precision=fitted.precision,
        parameters=sum(p.numel() for p in fitted.model.parameters()),
        kept_epoch=fitted.kept_epoch,
        epochs=history.height,
        valid_auroc=float(history["valid_auroc"][fitted.kept_epoch]),
        train_seconds=float(history["seconds"].sum()),
    )


def _nothing_else(job: Job) -> Done:
    """Return what there is to say of a job whose result lies elsewhere."""
    return Done(
        digest=job.digest,
        weights_origin="",
        precision="32",
        parameters=0,
        kept_epoch=0,
        epochs=0,
        valid_auroc=0.0,
        train_seconds=0.0,
    )


def _pruned(run: RunFolder, job: Job) -> Done:
    history = pl.read_parquet(run.work(job.name) / FIT / HISTORY)
    kept = history.row(by_predicate=pl.col("kept"), named=True)
    return Done(
        digest=job.digest,
        weights_origin="",
        precision="",
        parameters=0,
        kept_epoch=int(kept["epoch"]),
        epochs=history.height,
        valid_auroc=float(kept["valid_auroc"]),
        train_seconds=float(history["seconds"].sum()),
        pruned=True,
    )
