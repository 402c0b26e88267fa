"""What a fold's networks say together, and the temperatures and thresholds that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from greenstick.cohorts.cohort import Cohort
from greenstick.decision.calibration import Temperature, fit_temperature
from greenstick.decision.conformal import Conformal, fit_conformal
from greenstick.decision.nested import fit_inside, inner_name
from greenstick.decision.operating_points import OperatingPoint, choose_operating_point, decide
from greenstick.decision.triage import Triage, choose_triage
from greenstick.experiments.classes import (
    ClassDecision,
    decide_on_classes,
    fracture_logits,
    fracture_temperature,
    headline,
)
from greenstick.experiments.fitting import LOGITS
from greenstick.experiments.folds import Fold
from greenstick.experiments.jobs import Job
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.sections import DecisionSection
from greenstick.models.card import Card, CardCalibration, CardOperatingPoint
from greenstick.models.settings import ClassifierSettings

Floats = NDArray[np.float64]

#: Columns that a run's scores table has itself, and those of a cohort that it leaves behind.
OWN_COLUMNS = (
    *("model", "repeat", "fold", "split", "logit", "raw_score", "score", "decision", "spread"),
    "boxes",
)


@dataclass(frozen=True, eq=False)
class Said:
    """Rows of the cohort, and what networks say of each.

    Attributes
    ----------
    rows
        In the cohort's order.
    each
        float64 of shape (m, n, C): the logits of each of m networks.
    """

    rows: pl.DataFrame
    each: Floats

    @property
    def logits(self) -> Floats:
        """Their mean, (n, C)."""
        return np.asarray(self.each.mean(axis=0))


def said(run: RunFolder, members: Sequence[Job], cohort: Cohort, split: str) -> Said:
    """Return what networks say of the same rows."""
    tables = [_logits(run.work(member.name) / LOGITS, split) for member in members]
    rows = cohort.table.join(tables[0].select("image"), on="image", how="semi")
    return Said(rows, np.stack([_in_order(table, rows) for table in tables]))


def _logits(path: Path, split: str) -> pl.DataFrame:
    return pl.read_parquet(path).filter(pl.col("split") == split)


def _in_order(table: pl.DataFrame, rows: pl.DataFrame) -> Floats:
    ordered = rows.select("image").join(table, on="image", how="left", maintain_order="left")
    return ordered["logits"].to_numpy().astype(np.float64)


@dataclass(frozen=True, eq=False)
class Decision:
    """What was fitted on rows of a fold's training part.

    Attributes
    ----------
    temperature, point
        Of a fracture of any kind.
    triage, conformal
        The two thresholds of three answers, and the limits of conformal sets.
    doubt
        Whether readings give three answers.
    classes
        Of each of several classes; None for the one class of most models.
    """

    settings: ClassifierSettings
    temperature: Temperature
    point: OperatingPoint
    triage: Triage
    conformal: Conformal
    doubt: bool = False
    classes: ClassDecision | None = None

    def of_fracture(self, logits: Floats) -> Floats:
        """Return the (n,) logits of a fracture from (n, C) logits."""
        temperatures = self.classes.temperatures if self.classes else (self.temperature,)
        return fracture_logits(logits, self.settings, [each.value for each in temperatures])

    def on_card(self, card: Card) -> Card:
        """Return the card of a network that is decided with."""
        temperature, classes = self.temperature, self.classes
        own = classes.temperatures if classes and self.settings.outputs == "any-of" else ()
        calibration = CardCalibration(
            temperature=temperature.value,
            temperatures=tuple(each.value for each in own),
            fitted_on=temperature.fitted_on,
            n=temperature.n,
        )
        judged = headline(self.settings)
        points = [_on_card(self.point, judged)]
        if classes:
            named = zip(self.settings.classes, classes.points, strict=True)
            points += [_on_card(point, name) for name, point in named if point and name != judged]
        if self.doubt:
            points += _doubt_on_card(self.triage, judged)
        return card.model_copy(
            update={"calibration": calibration, "operating_points": tuple(points)}
        )


def _on_card(point: OperatingPoint, class_name: str) -> CardOperatingPoint:
    return CardOperatingPoint(
        threshold=point.threshold,
        class_name=class_name,
        rule=point.rule,
        chosen_on=point.chosen_on,
        n=point.n,
    )


def _doubt_on_card(triage: Triage, class_name: str) -> list[CardOperatingPoint]:
    """Return the two points between which a reader leaves a film in doubt."""
    limits = {"sensitivity": triage.doubt_from, "specificity": triage.fracture_from}
    return [
        CardOperatingPoint(
            threshold=threshold,
            class_name=class_name,
            rule=rule,
            chosen_on=triage.chosen_on,
            n=triage.n,
        )
        for rule, threshold in limits.items()
    ]


def decide_on(
    run: RunFolder,
    fold: Fold,
    inner: Sequence[Sequence[Job]],
    cohort: Cohort,
    how: DecisionSection,
) -> Decision:
    """Fit temperatures, then thresholds, for a fold from inside its training part.

    Parameters
    ----------
    inner
        The networks of those inner folds that are done; none: validation rows decide.

    Raises
    ------
    GreenstickError
        Where the rows are of one class, or a single inner fold is left.
    """
    settings = fold.members[0].settings.model
    if not inner:
        valid = said(run, fold.members, cohort, "valid")
        return decide_by(valid.rows, valid.logits, settings, how, "valid", fold)
    held_out = [said(run, members, cohort, "test") for members in inner]
    rows = pl.concat(
        [each.rows.with_columns(inner_fold=pl.lit(i)) for i, each in enumerate(held_out)]
    )
    logits = np.concatenate([each.logits for each in held_out])
    if len(settings.classes) > 1:
        where = inner_name(fold.fold, fold.repeat)
        return decide_by(rows, logits, settings, how, where, fold)
    temperature, point = fit_inside(
        rows.with_columns(logit=pl.Series(logits[:, 0])),
        rule=how.rule,
        target=how.target,
        fold=fold.fold,
        repeat=fold.repeat,
    )
    doubt = _doubt(rows, temperature.apply(logits[:, 0]), how, point.chosen_on)
    return Decision(settings, temperature, point, *doubt, how.doubt)


def _doubt(
    rows: pl.DataFrame, scores: Floats, how: DecisionSection, where: str
) -> tuple[Triage, Conformal]:
    labels, images = rows["label"].to_numpy(), rows["image"].to_list()
    thresholds = choose_triage(
        labels,
        scores,
        sensitivity=how.doubt_sensitivity,
        specificity=how.doubt_specificity,
        chosen_on=where,
        images=images,
    )
    sets = fit_conformal(labels, scores, error=how.conformal_error, fitted_on=where, images=images)
    return thresholds, sets


def decide_by(
    rows: pl.DataFrame,
    logits: Floats,
    settings: ClassifierSettings,
    how: DecisionSection,
    where: str,
    fold: Fold | None = None,
) -> Decision:
    """Fit temperatures, then thresholds, by these rows.

    Parameters
    ----------
    rows
        Of the cohort.
    logits
        (n, C).
    where
        What the rows are called.
    fold
        What it is for; None: a model of all folds.
    """
    images, labels = rows["image"].to_list(), rows["label"].to_numpy()
    place: dict[str, Any] = {"chosen_on": where}
    if fold is not None:
        place |= {"repeat": fold.repeat, "fold": fold.fold}
    classes = None
    if len(settings.classes) > 1:
        classes = decide_on_classes(rows, logits, settings, how, **place)
        temperature = fracture_temperature(settings, classes.temperatures)
        values = [each.value for each in classes.temperatures]
    else:
        temperature = fit_temperature(logits[:, 0], labels, fitted_on=where, images=images)
        values = [temperature.value]
    scores = temperature.apply(fracture_logits(logits, settings, values))
    point = choose_operating_point(
        labels, scores, rule=how.rule, target=how.target, images=images, **place
    )
    doubt = _doubt(rows, scores, how, where)
    return Decision(settings, temperature, point, *doubt, how.doubt, classes)


def scores_of(what: Said, split: str, fold: Fold, decision: Decision) -> pl.DataFrame:
    """Return the scores table of these rows; boxes stay behind, other columns go along."""
    logits = decision.of_fracture(what.logits)
    score = decision.temperature.apply(logits)
    columns = {
        "logit": pl.Series(logits),
        "raw_score": pl.Series(expit(logits)),
        "score": pl.Series(score),
        "decision": pl.Series(decide(score, decision.point)),
    }
    if len(what.each) > 1:
        each = np.stack([decision.of_fracture(logits) for logits in what.each])
        columns["spread"] = pl.Series(each.std(axis=0, ddof=1))
    return what.rows.drop("boxes", "split").with_columns(
        *fold.columns(), split=pl.lit(split), **columns
    )


def class_scores_of(what: Said, split: str, fold: Fold, decision: ClassDecision) -> pl.DataFrame:
    """Return the scores of each of several classes."""
    table = decision.table(what.rows, what.logits)
    return table.with_columns(*fold.columns(), split=pl.lit(split))
