"""From finished jobs to a run's tables and models."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.cohorts.cohort import Cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.deciding import (
    Decision,
    class_scores_of,
    decide_by,
    decide_on,
    said,
    scores_of,
)
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.explain import MAPS, explain, read_maps
from greenstick.experiments.familiarity import note_familiar
from greenstick.experiments.fitting import MODEL
from greenstick.experiments.folds import Fold, ensemble_name
from greenstick.experiments.jobs import Job
from greenstick.experiments.pixels import Pixels, pixels_of
from greenstick.experiments.regions import card_region
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.models.card import CARD, Card, CardMember, TrainedOn, read_card, write_card
from greenstick.models.checkpoint import load_checkpoint, save_ensemble
from greenstick.models.classifier import Classifier
from greenstick.reading.region import copy_region
from greenstick.training.keeper import HISTORY


@dataclass(frozen=True, eq=False)
class Concluded:
    """A fold whose networks are all trained, with what was decided for it.

    Attributes
    ----------
    scores
        Of its valid and test rows, as in ``scores.parquet``.
    logits
        (n, C) of its test rows, in their order there.
    class_scores
        Of its test rows, where there are several classes.
    """

    fold: Fold
    decision: Decision
    scores: pl.DataFrame
    logits: NDArray[np.float64]
    class_scores: pl.DataFrame | None

    def maps(self, run: RunFolder) -> dict[str, NDArray[np.float32]]:
        """Return the cell logits of each test image, float32 (h, w)."""
        return read_maps([run.work(member.name) / MAPS for member in self.fold.members])


def conclude(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    folds: Sequence[Fold],
    failed: dict[str, str],
) -> tuple[list[Concluded], dict[str, str]]:
    """Decide for each fold, write its model, and put the tables of all folds together.

    Parameters
    ----------
    failed
        Jobs that failed, each with its reason.

    Returns
    -------
    concluded
        The folds that have a result.
    missing
        The folds that have none, and the parts that others lack, each with its reason.

    Raises
    ------
    GreenstickError
        Where no fold has a result.
    """
    concluded, missing = [], dict(failed)
    for fold in folds:
        if any(member.name in failed for member in fold.members):
            continue
        inner = [part for part in fold.inner if not any(job.name in failed for job in part)]
        try:
            concluded.append(_fold(run, experiment, cohort, fold, inner))
        except GreenstickError as error:
            missing[fold.name] = error.message
    if not concluded:
        name, reason = next(iter(missing.items()))
        raise GreenstickError(
            f"No fold has a result; {name}: {reason}",
            remedy=f"See {run.path / 'fits'} for what each job says, then run it again.",
        )
    _write_tables(run, cohort, experiment, concluded)
    pixels = pixels_of(run, cohort, experiment.recipe.canvas_px)
    for each in concluded:
        _note_familiar(run.model(each.fold.name), each.fold, cohort, pixels)
    for backbone in experiment.names:
        mine = [each for each in concluded if each.fold.backbone == backbone]
        _join(run, experiment, cohort, mine, pixels)
    return concluded, missing


def _fold(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    fold: Fold,
    inner: list[tuple[Job, ...]],
) -> Concluded:
    if fold.inner and len(inner) < 2:
        raise GreenstickError("fewer than two inner folds are left.", remedy="Run it again.")
    decision = decide_on(run, fold, inner, cohort, experiment.decision)
    valid, test = (said(run, fold.members, cohort, split) for split in ("valid", "test"))
    scores = [
        scores_of(valid, "valid", fold, decision),
        scores_of(test, "test", fold, decision),
    ]
    classes = decision.classes
    _write_model(run, experiment, fold, decision)
    return Concluded(
        fold,
        decision,
        pl.concat(scores),
        test.logits,
        None if classes is None else class_scores_of(test, "test", fold, classes),
    )


def _write_model(run: RunFolder, experiment: Experiment, fold: Fold, decision: Decision) -> None:
    """Put a fold's model into place, its card last."""
    parts = [run.work(member.name) / MODEL for member in fold.members]
    card = decision.on_card(_named(read_card(parts[0]), experiment, fold.name))
    folder = run.model(fold.name)
    _bring_detector(experiment, folder)
    if len(parts) > 1:
        _save_ensemble(folder, parts, [member.name for member in fold.members], card)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file in parts[0].iterdir():
        if file.name != CARD:
            shutil.copy2(file, folder / file.name)
    write_card(folder, card)


def _bring_detector(experiment: Experiment, folder: Path) -> None:
    if experiment.region.detector:
        copy_region(Path(experiment.region.detector), folder)


def _named(card: Card, experiment: Experiment, name: str) -> Card:
    trained = card.training_data.model_copy(update={"source": Path(experiment.cohort).name})
    return card.model_copy(
        update={
            "name": f"{experiment.name}/{name}",
            "training_data": trained,
            "region": card_region(experiment.region),
        }
    )


def _join(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    concluded: list[Concluded],
    pixels: Pixels,
) -> None:
    """Write the model that all folds of a backbone make together.

    Models of healthy images alone make none. Its temperature and threshold come from the scores
    of images that each fold's networks had not seen. Nothing is claimed of this model on the
    cohort: it has seen all of it.
    """
    if len(concluded) < 2 or concluded[0].fold.members[0].settings.model.peer:
        return
    first = [each for each in concluded if each.fold.repeat == concluded[0].fold.repeat]
    members = [member for each in first for member in each.fold.members]
    parts = [run.work(member.name) / MODEL for member in members]
    rows = pl.concat([each.fold.rows(cohort, "test") for each in first])
    logits = np.concatenate([each.logits for each in first])
    settings = first[0].decision.settings
    decision = decide_by(rows, logits, settings, experiment.decision, "out-of-fold rows")
    name = ensemble_name(experiment, concluded[0].fold.backbone)
    card = decision.on_card(_named(read_card(parts[0]), experiment, name))
    card = card.model_copy(update={"training_data": _all_of(cohort, first, card.training_data)})
    _bring_detector(experiment, run.model(name))
    _save_ensemble(run.model(name), parts, [member.name for member in members], card)
    # Its first member looks, and so what that one was trained on is what is familiar.
    _note_familiar(run.model(name), first[0].fold, cohort, pixels)


def _note_familiar(folder: Path, fold: Fold, cohort: Cohort, pixels: Pixels) -> None:
    train, valid = (pixels.keys_of(fold.rows(cohort, split)) for split in ("train", "valid"))
    note_familiar(folder, pixels.store, train, valid)


def _all_of(cohort: Cohort, concluded: list[Concluded], first: TrainedOn) -> TrainedOn:
    """Return what the networks of several folds were trained on together."""
    tables = [each.fold.rows(cohort, "train") for each in concluded]
    rows = pl.concat(tables).unique("image", maintain_order=True)
    return TrainedOn(
        n_images=rows.height,
        n_patients=cohort.with_table(rows).patients().n_unique(),
        n_positive=int(rows["label"].sum()),
        source=first.source,
    )


def _save_ensemble(folder: Path, parts: list[Path], names: list[str], card: Card) -> None:
    networks = []
    for part in parts:
        network, _ = load_checkpoint(part)
        assert isinstance(network, Classifier)
        networks.append(network)
    members = tuple(
        CardMember(name=name, classifier=network.settings)
        for name, network in zip(names, networks, strict=True)
    )
    origin = "; ".join(dict.fromkeys(network.origin for network in networks))
    card = card.model_copy(update={"members": members, "weights_origin": origin})
    save_ensemble(folder, networks, card)


def _called(fold: Fold, number: int) -> str:
    return fold.backbone if len(fold.members) == 1 else f"{fold.backbone}, seed {number}"


def _write_tables(
    run: RunFolder, cohort: Cohort, experiment: Experiment, concluded: list[Concluded]
) -> None:
    histories = [
        pl.read_parquet(run.work(member.name) / HISTORY)
        .with_columns(each.fold.columns())
        .with_columns(model=pl.lit(_called(each.fold, number)))
        for each in concluded
        for number, member in enumerate(each.fold.members)
        if not member.settings.model.peer  # those have no epochs
    ]
    if histories:
        write_table(pl.concat(histories), run / "history.parquet")
    pixels = pixels_of(run, cohort, experiment.recipe.canvas_px)
    explained = []
    for each in concluded:
        rows, maps = each.fold.rows(cohort, "test"), each.maps(run)
        cells = np.stack([maps[image] for image in rows["image"]])
        table = explain(rows, cells, each.decision.temperature, pixels.placements(rows))
        explained.append(table.with_columns(each.fold.columns()))
    write_table(pl.concat(explained), run / "explanations.parquet")
    write_table(pl.concat([each.scores for each in concluded]), run / "scores.parquet")
    of_classes = [each.class_scores for each in concluded if each.class_scores is not None]
    if of_classes:
        write_table(pl.concat(of_classes, how="diagonal"), run / "classes.parquet")
