"""What a fold's networks say together, and the temperature and threshold that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from greenstick.cohorts.cohort import Cohort
from greenstick.decision.calibration import Temperature, fit_temperature
from greenstick.decision.nested import fit_inside
from greenstick.decision.operating_points import OperatingPoint, choose_operating_point, decide
from greenstick.experiments.fitting import LOGITS
from greenstick.experiments.folds import Fold
from greenstick.experiments.jobs import Job
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.sections import DecisionSection
from greenstick.models.card import Card, CardCalibration, CardOperatingPoint

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """What was fitted on rows of a fold's training part."""

    temperature: Temperature
    point: OperatingPoint

    def on_card(self, card: Card) -> Card:
        """Return the card of a network that is decided with."""
        temperature, point = self.temperature, self.point
        return card.model_copy(
            update={
                "calibration": CardCalibration(
                    temperature=temperature.value, fitted_on=temperature.fitted_on, n=temperature.n
                ),
                "operating_points": (
                    CardOperatingPoint(
                        threshold=point.threshold,
                        rule=point.rule,
                        chosen_on=point.chosen_on,
                        n=point.n,
                    ),
                ),
            }
        )


@dataclass(frozen=True, eq=False)
class Said:
    """Rows of the cohort, and what a fold's networks say of each together.

    Attributes
    ----------
    rows
        In the cohort's order.
    logits
        float64 of shape (n,): the mean of the members'.
    spread
        float64 of shape (n,): their standard deviation (n - 1); None for one network.
    """

    rows: pl.DataFrame
    logits: Floats
    spread: Floats | None


def said(run: RunFolder, members: Sequence[Job], cohort: Cohort, split: str) -> Said:
    """Return what networks of the same rows say together."""
    tables = [_logits(run.work(member.name) / LOGITS, split) for member in members]
    rows = cohort.table.join(tables[0].select("image"), on="image", how="semi")
    each = np.stack([_in_order(table, rows)[:, 0] for table in tables])
    spread = each.std(axis=0, ddof=1) if len(each) > 1 else None
    return Said(rows, each.mean(axis=0), spread)


def _logits(path: Path, split: str) -> pl.DataFrame:
    return pl.read_parquet(path).filter(pl.col("split") == split)


def _in_order(table: pl.DataFrame, rows: pl.DataFrame) -> Floats:
    ordered = rows.select("image").join(table, on="image", how="left", maintain_order="left")
    return ordered["logits"].to_numpy().astype(np.float64)


def decide_on(
    run: RunFolder,
    fold: Fold,
    inner: Sequence[Sequence[Job]],
    cohort: Cohort,
    how: DecisionSection,
) -> Decision:
    """Fit temperature, then threshold, for a fold from inside its training part.

    Parameters
    ----------
    inner
        The networks of those inner folds that are done; none: validation rows decide.

    Raises
    ------
    GreenstickError
        Where the rows are of one class, or a single inner fold is left.
    """
    if inner:
        scores = _inner_scores(run, inner, cohort)
        return Decision(
            *fit_inside(
                scores, rule=how.rule, target=how.target, fold=fold.fold, repeat=fold.repeat
            )
        )
    valid = said(run, fold.members, cohort, "valid")
    labels = valid.rows["label"].to_numpy()
    images = valid.rows["image"].to_list()
    temperature = fit_temperature(valid.logits, labels, fitted_on="valid", images=images)
    point = choose_operating_point(
        labels,
        temperature.apply(valid.logits),
        rule=how.rule,
        target=how.target,
        chosen_on="valid",
        repeat=fold.repeat,
        fold=fold.fold,
        images=images,
    )
    return Decision(temperature, point)


def _inner_scores(run: RunFolder, inner: Sequence[Sequence[Job]], cohort: Cohort) -> pl.DataFrame:
    parts = []
    for number, members in enumerate(inner):
        held_out = said(run, members, cohort, "test")
        parts.append(
            held_out.rows.select("image", "label").with_columns(
                logit=pl.Series(held_out.logits), inner_fold=pl.lit(number)
            )
        )
    return pl.concat(parts)


def scores_of(what: Said, split: str, fold: Fold, decision: Decision) -> pl.DataFrame:
    """Return the scores table of these rows; boxes stay behind, other columns go along."""
    score = decision.temperature.apply(what.logits)
    columns = {
        "logit": pl.Series(what.logits),
        "raw_score": pl.Series(expit(what.logits)),
        "score": pl.Series(score),
        "decision": pl.Series(decide(score, decision.point)),
    }
    if what.spread is not None:
        columns["spread"] = pl.Series(what.spread)
    return what.rows.drop("boxes", "split").with_columns(
        *fold.columns(), split=pl.lit(split), **columns
    )
