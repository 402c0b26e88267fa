"""One fold of an experiment: train, calibrate, choose the operating point, score, explain."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel
from rich.console import Console
from scipy.special import expit

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.pixels import PixelStore
from greenstick.decision.calibration import Temperature, fit_temperature
from greenstick.decision.operating_points import OperatingPoint, choose_operating_point, decide
from greenstick.experiments.bars import training_bar
from greenstick.experiments.environment import Hardware, is_main_process
from greenstick.experiments.experiment import DecisionSection, Experiment
from greenstick.experiments.explain import MAPS, explain, write_maps
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.files import write_text
from greenstick.models.card import Card, CardCalibration, CardOperatingPoint, TrainedOn
from greenstick.models.checkpoint import save_checkpoint
from greenstick.models.classifier import Classifier
from greenstick.radiographs.canvas import Placement
from greenstick.training.fit import fingerprint, fit
from greenstick.training.predict import predict
from greenstick.training.samples import TrainingData, make_rows


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixel store, and the key of each image in it."""

    store: PixelStore
    keys: dict[str, bytes]

    def keys_of(self, rows: pl.DataFrame) -> list[bytes]:
        """Return the key of each row."""
        return [self.keys[image] for image in rows["image"]]

    def placements(self, rows: pl.DataFrame) -> list[Placement]:
        """Return where each row's original lies on its canvas."""
        return [self.store.placement(key) for key in self.keys_of(rows)]


@dataclass(frozen=True, eq=False)
class Fold:
    """One training of one network.

    Attributes
    ----------
    name
        Names the model's folder.
    repeat, fold
        As in ``splits.parquet``.
    images
        Columns ``image`` and ``split``.
    """

    name: str
    repeat: int
    fold: int
    images: pl.DataFrame

    def rows(self, cohort: Cohort, split: str) -> pl.DataFrame:
        """Return the cohort's rows on one side of the split."""
        mine = self.images.filter(pl.col("split") == split).select("image")
        return cohort.table.join(mine, on="image", how="semi")

    def columns(self) -> list[pl.Expr]:
        """Return the columns that tell this fold's rows from others'."""
        return [
            pl.lit(self.name).alias("model"),
            pl.lit(self.repeat, pl.Int32).alias("repeat"),
            pl.lit(self.fold, pl.Int32).alias("fold"),
        ]


class Decision(BaseModel):
    """What was fitted on a fold's validation rows."""

    temperature: Temperature
    point: OperatingPoint


def folds_of(splits: pl.DataFrame, backbone: str) -> list[Fold]:
    """Return the folds of a split table, in order."""
    keys = splits.select("repeat", "fold").unique().sort("repeat", "fold").rows()
    return [
        Fold(
            name=backbone if len(keys) == 1 else f"{backbone}-repeat{repeat}-fold{fold}",
            repeat=repeat,
            fold=fold,
            images=splits.filter(repeat=repeat, fold=fold).select("image", "split"),
        )
        for repeat, fold in keys
    ]


@dataclass(frozen=True, eq=False)
class _Predicted:
    """Rows of the cohort, and what the network says of each: (n,) logits, (n, h, w) maps."""

    split: str
    rows: pl.DataFrame
    logits: NDArray[np.float32]
    maps: NDArray[np.float32]


def run_fold(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    fold: Fold,
    pixels: Pixels,
    hardware: Hardware,
    console: Console,
) -> None:
    """Do one fold, or nothing where it was done before an interruption.

    Raises
    ------
    GreenstickError
        Where training or validation rows are of one class only, or the user stopped it.
    """
    work = run.work(fold.name)
    if (work / "scores.parquet").is_file():
        return
    data = _training_data(cohort, fold, pixels)
    with training_bar(console, fold.name) as progress:
        fitted = fit(
            data,
            experiment.recipe,
            experiment.model,
            work / "fit",
            seed=experiment.seed,
            trainer_flags=hardware.trainer_flags(),
            progress=progress,
        )
    if not is_main_process():
        return
    console.print(f"  {fitted.model.origin}; best epoch {fitted.best_epoch + 1}")
    valid, test = (
        _predict(fitted.model, experiment, split, fold.rows(cohort, split), pixels)
        for split in ("valid", "test")
    )
    decision = _decide_on(valid, fold, experiment.decision)
    card = _card(experiment, fold, fitted.model, decision, data, cohort)
    save_checkpoint(run.model(fold.name), fitted.model, card)
    explained = explain(test.rows, test.maps, decision.temperature, pixels.placements(test.rows))
    scores = pl.concat([_scores(valid, decision), _scores(test, decision)])
    write_table(fitted.history.with_columns(fold.columns()), work / "history.parquet")
    write_table(explained.with_columns(fold.columns()), work / "explanations.parquet")
    write_maps(work / MAPS, test.rows["image"].to_list(), test.maps, decision.temperature)
    write_text(decision.model_dump_json(indent=2), work / "decision.json")
    write_table(scores.with_columns(fold.columns()), work / "scores.parquet")  # last: it is done


def _training_data(cohort: Cohort, fold: Fold, pixels: Pixels) -> TrainingData:
    train, valid = fold.rows(cohort, "train"), fold.rows(cohort, "valid")
    return TrainingData(
        pixels.store,
        train=make_rows(pixels.store, train, pixels.keys_of(train)),
        valid=make_rows(pixels.store, valid, pixels.keys_of(valid)),
    )


def _predict(
    model: Classifier, experiment: Experiment, split: str, rows: pl.DataFrame, pixels: Pixels
) -> _Predicted:
    found = predict(
        model,
        pixels.store,
        pixels.keys_of(rows),
        flip_average=experiment.recipe.flip_average,
    )
    return _Predicted(split, rows, found.logits[:, 0], found.maps[:, 0])


def _decide_on(valid: _Predicted, fold: Fold, how: DecisionSection) -> Decision:
    """Fit the temperature, then choose the threshold, on validation rows alone."""
    labels = valid.rows["label"].to_numpy()
    temperature = fit_temperature(valid.logits, labels, fitted_on=valid.split)
    point = choose_operating_point(
        labels,
        temperature.apply(valid.logits),
        rule=how.rule,
        target=how.target,
        chosen_on=valid.split,
        repeat=fold.repeat,
        fold=fold.fold,
    )
    return Decision(temperature=temperature, point=point)


def _scores(predicted: _Predicted, decision: Decision) -> pl.DataFrame:
    """Return the scores table of these rows; boxes stay behind, other columns go along."""
    score = decision.temperature.apply(predicted.logits)
    return predicted.rows.drop("boxes", "split").with_columns(
        split=pl.lit(predicted.split),
        logit=pl.Series(predicted.logits, dtype=pl.Float64),
        raw_score=pl.Series(expit(predicted.logits.astype(np.float64))),
        score=pl.Series(score),
        decision=pl.Series(decide(score, decision.point)),
    )


def _card(
    experiment: Experiment,
    fold: Fold,
    model: Classifier,
    decision: Decision,
    data: TrainingData,
    cohort: Cohort,
) -> Card:
    train = cohort.with_table(fold.rows(cohort, "train"))
    temperature, point = decision.temperature, decision.point
    return Card(
        name=f"{experiment.name}/{fold.name}",
        classifier=model.settings,
        weights_origin=model.origin,
        canvas_px=experiment.recipe.canvas_px,
        flip_average=experiment.recipe.flip_average,
        calibration=CardCalibration(
            temperature=temperature.value, fitted_on=temperature.fitted_on, n=temperature.n
        ),
        operating_points=(
            CardOperatingPoint(
                threshold=point.threshold, rule=point.rule, chosen_on=point.chosen_on, n=point.n
            ),
        ),
        training_data=TrainedOn(
            fingerprint=fingerprint(data.train),
            n_images=len(train),
            n_patients=train.patients().n_unique(),
            n_positive=int(train.table["label"].sum()),
            source=Path(experiment.cohort).name,
        ),
    )


def read_decision(run: RunFolder, fold: Fold) -> Decision:
    """Read what a finished fold has fitted."""
    text = (run.work(fold.name) / "decision.json").read_text(encoding="utf-8")
    return Decision.model_validate_json(text)
