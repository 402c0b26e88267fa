"""What each of several compared models reaches by itself, on the images that all of them judge."""

from collections.abc import Sequence
from functools import reduce

import polars as pl

from greenstick.decision.operating_points import OperatingPoint
from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Curve, DecisionCurve, Estimate, Record
from greenstick.evidence.evidence import calls_of
from greenstick.evidence.net_benefit import decision_curve
from greenstick.evidence.resampling import resample_rows
from greenstick.evidence.rows import Missing, count, to_rows, usable
from greenstick.scores import names_patients


class ModelFigures(Record):
    """One of several models by itself.

    Attributes
    ----------
    name
        What it is called.
    n_images, n_patients, n_positive
        Images that every model judges, their patients, and those with a fracture.
    estimates
        ``AUROC``, ``average precision``, losses where scores are probabilities, and the figures at
        its operating point where it has one.
    roc, net_benefit
        Its curves; the second where scores are probabilities.
    """

    name: str
    n_images: int
    n_patients: int
    n_positive: int
    estimates: list[Estimate]
    roc: Curve
    net_benefit: DecisionCurve | None = None


def on_shared_images(tables: Sequence[pl.DataFrame], missing: Missing) -> list[pl.DataFrame]:
    """Return the rows of images that every table judges.

    Tables that name no patients are given those of the first one that does.
    """
    named = [table.with_columns(pl.col("image").cast(pl.String)) for table in tables]
    judged = [usable(table, missing)[0] for table in named]
    shared = reduce(lambda a, b: a.join(b, on="image", how="semi"), judged).select("image")
    kept = [table.join(shared, on="image", how="semi") for table in judged]
    with_patients = [table for table in kept if names_patients(table)]
    if not with_patients:
        return kept
    whose = with_patients[0].select("image", "patient").unique("image")
    return [
        table
        if names_patients(table)
        else table.drop("patient", strict=False).join(whose, on="image", how="left")
        for table in kept
    ]


def judge_model(
    name: str,
    table: pl.DataFrame,
    points: Sequence[OperatingPoint],
    *,
    seed: int,
    replicates: int,
    level: float,
) -> ModelFigures:
    """Judge one of several models on the rows that all of them judge."""
    rows = to_rows(table)
    calls = calls_of(table, points)
    resampled = resample_rows(rows, replicates=replicates, seed=seed, level=level)
    boot = [e for e in resampled.discrimination if e.name != "AUROC"]
    called = [] if calls is None else at_operating_point(rows, calls, level)
    return ModelFigures(
        name=name,
        n_images=count(rows.images),
        n_patients=rows.n_patients,
        n_positive=count(rows.images[rows.labels]),
        estimates=[auroc(rows, level), *boot, *resampled.calibration, *called],
        roc=resampled.roc,
        net_benefit=decision_curve(rows, level) if rows.probabilities else None,
    )
