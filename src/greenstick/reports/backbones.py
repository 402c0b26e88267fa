"""Several backbones of one run: what each reaches, what it costs, how sure the order is."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup
from scipy.stats import rankdata

from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Curve, Estimate
from greenstick.evidence.evidence import Evidence
from greenstick.evidence.rows import to_rows
from greenstick.findings import Finding
from greenstick.reports import figures
from greenstick.reports.comparing import ComparedFigure, compared_figures, comparison_findings
from greenstick.reports.contents import RunContents
from greenstick.reports.judged import judged_rows
from greenstick.reports.wording import find

#: Columns of ``models.parquet`` that are costs, with what the axis says.
COSTS = {
    "parameters": "Parameters",
    "ms_per_image": "Milliseconds an image",
    "train_seconds": "Seconds of training",
}


@dataclass(frozen=True)
class Backbone:
    """One line of the table: a backbone, what it costs, and its AUROC."""

    name: str
    auroc: Estimate | None
    parameters: float | None
    ms_per_image: float | None
    train_seconds: float | None
    weights_origin: str


@dataclass(frozen=True)
class Standing:
    """How a backbone ranks over the folds.

    Attributes
    ----------
    first
        Share of folds in which its AUROC is the highest; equals share the place.
    mean_rank
        1 is best.
    ranks
        Its rank in each fold, in their order.
    """

    name: str
    first: float
    mean_rank: float
    ranks: list[float]


@dataclass(frozen=True, eq=False)
class Backbones:
    """Everything that the section on backbones shows."""

    rows: list[Backbone]
    costs: list[Markup]
    curves: Markup | None
    plot: Markup
    compared: list[ComparedFigure]
    margin: float | None
    findings: list[Finding]
    standings: list[Standing]


def backbones(contents: RunContents) -> Backbones | None:
    """Compare a run's backbones; None where it has only one."""
    if len(contents.evidences) < 2:
        return None
    rows = sorted(
        (_row(name, one, contents.models) for name, one in contents.evidences.items()),
        key=lambda row: -(row.auroc.value or 0.0) if row.auroc else 0.0,
    )
    found = contents.comparison
    plot = figures.forest(
        [_forest_row(row) for row in rows], name="backbones", axis="AUROC", line=None
    )
    return Backbones(
        rows=rows,
        costs=_costs(rows),
        curves=_curves(contents.evidences),
        plot=plot,
        compared=[] if found is None else compared_figures(found),
        margin=found.pairs[0].margin if found is not None and found.pairs else None,
        findings=[] if found is None else comparison_findings(found),
        standings=standings(contents.scores, contents.evidence),
    )


def _row(name: str, evidence: Evidence, models: pl.DataFrame | None) -> Backbone:
    known = {} if models is None else next(models.filter(model=name).iter_rows(named=True), {})
    return Backbone(
        name=name,
        auroc=find(evidence.discrimination, "AUROC"),
        parameters=known.get("parameters"),
        ms_per_image=known.get("ms_per_image"),
        train_seconds=known.get("train_seconds"),
        weights_origin=known.get("weights_origin") or "",
    )


def _forest_row(row: Backbone) -> figures.ForestRow:
    area = row.auroc
    if area is None:
        return figures.ForestRow(row.name, None, None, None, faint=True)
    return figures.ForestRow(row.name, area.value, area.lower, area.upper)


def _costs(rows: list[Backbone]) -> list[Markup]:
    drawn = []
    for column, axis in COSTS.items():
        points = [
            figures.CostPoint(row.name, float(cost), row.auroc)
            for row in rows
            if (cost := getattr(row, column)) and row.auroc is not None
        ]
        if len(points) > 1:
            drawn.append(figures.cost(points, name=f"cost-{column}", axis=axis))
    return drawn


def _curves(evidences: dict[str, Evidence]) -> Markup | None:
    curves: dict[str, Curve] = {name: one.roc for name, one in evidences.items() if one.roc.x}
    return figures.rocs(curves) if curves else None


def standings(scores: pl.DataFrame, evidence: Evidence) -> list[Standing]:
    """Rank the models of a scores table within each fold, best mean rank first.

    Folds that a model lacks, or that hold one class only, are left out. Empty with fewer than two
    folds: one order says nothing of its stability.
    """
    rows = judged_rows(scores, evidence.model_copy(update={"model": ""}))
    keys = [name for name in ("repeat", "fold") if name in rows.columns]
    models = sorted(rows["model"].unique())
    if not keys:
        return []
    places = [
        rankdata([-area for area in areas])
        for _, fold in rows.sort(keys).group_by(keys, maintain_order=True)
        if (areas := _areas(fold, models))
    ]
    if len(places) < 2:
        return []
    ranks = np.array(places)
    best = ranks == ranks.min(axis=1, keepdims=True)
    first = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    found = [
        Standing(name, float(first[i]), float(ranks[:, i].mean()), ranks[:, i].tolist())
        for i, name in enumerate(models)
    ]
    return sorted(found, key=lambda one: one.mean_rank)


def _areas(fold: pl.DataFrame, models: list[str]) -> list[float]:
    """Return each model's AUROC, or nothing where one has none."""
    parts = [fold.filter(model=name) for name in models]
    if any(part["label"].n_unique() < 2 for part in parts):
        return []
    values = [auroc(to_rows(part)).value for part in parts]
    # Sums in another order differ in their last digit, and equals must stay equal.
    return [round(value, 12) for value in values if value is not None]
