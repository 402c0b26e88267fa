"""How AUROC grows with the number of training patients, and what twice as many would give."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import least_squares

from greenstick.cohorts.cohort import Cohort
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate, Record
from greenstick.evidence.rows import to_rows
from greenstick.experiments.deciding import decide_by, said
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.folds import Fold
from greenstick.experiments.jobs import Job
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.sections import DecisionSection
from greenstick.files import write_text

Floats = NDArray[np.float64]

NOTE = (
    "The points share their test rows, and small shares lie within larger ones, so that they are "
    "not independent. The curve is an extrapolation of few points: it holds for more patients "
    "like these, and says nothing of other hospitals."
)
_DRAWS = 300


class CurvePoint(Record):
    """One network a fold, trained on a share of the training patients."""

    share: float
    n_patients: float
    n_images: float
    auroc: Estimate


class PowerLaw(Record):
    """``AUROC = limit - gain * patients ** -rate``, fitted to the points by their precision.

    Attributes
    ----------
    at_twice, lower, upper
        Of the curve at twice the patients, and the middle 95 % of refits on points drawn anew
        within their own uncertainty.
    """

    limit: float
    gain: float
    rate: float
    patients_at_twice: float
    at_twice: float
    lower: float
    upper: float


class LearningCurve(Record):
    """The points of one backbone, and their curve; None where it cannot be fitted."""

    model: str
    points: list[CurvePoint]
    law: PowerLaw | None
    note: str = NOTE


class LearningCurves(Record):
    """What ``learning_curve.json`` holds."""

    curves: list[LearningCurve]


def share_jobs(fold: Fold, cohort: Cohort, shares: Sequence[float], seed: int) -> dict[float, Job]:
    """Return a fit for each share of a fold's training patients; all of them is the fold's own.

    Smaller shares lie within larger ones. Validation rows shrink likewise, since they are of
    the training part too; test rows stay.
    """
    own = fold.members[0]
    jobs = {}
    for share in sorted({share for share in shares if share < 1}):
        name = f"{fold.name}-share{share * 100:g}"
        settings = own.settings.model_copy(update={"name": name, "keep": "scores"})
        jobs[share] = Job(settings, take_share(fold.images, cohort, share, seed))
    jobs[1.0] = own
    return jobs


def take_share(images: pl.DataFrame, cohort: Cohort, share: float, seed: int) -> pl.DataFrame:
    """Return a split's rows with only a share of the patients of train and valid.

    Patients with and without fractures keep their proportion in either; at least one of each
    stays.
    """
    labels = cohort.table.select("image", "label", cohort.patients())
    rows = images.join(labels, on="image", how="left", maintain_order="left")
    patients = rows.group_by("split", "patient").agg(pl.col("label").max()).sort("patient")
    rng = np.random.default_rng([seed, 1])
    patients = patients.with_columns(order=pl.Series(rng.permutation(patients.height)))
    ranks = pl.col("order").rank("ordinal").over("split", "label")
    wanted = (pl.len().over("split", "label") * share).round().clip(lower_bound=1)
    kept = patients.filter((pl.col("split") == "test") | (ranks <= wanted))
    return rows.join(kept, on=["split", "patient"], how="semi").select("image", "split")


def learning_curve(
    run: RunFolder,
    cohort: Cohort,
    backbone: str,
    jobs: Sequence[Mapping[float, Job]],
    how: DecisionSection,
    seed: int,
) -> LearningCurve:
    """Judge each share's networks on the test rows of their folds together.

    Parameters
    ----------
    jobs
        Of each fold, its jobs by share; all are done.
    """
    points = [
        _point(run, cohort, share, [of[share] for of in jobs], how) for share in sorted(jobs[0])
    ]
    return LearningCurve(model=backbone, points=points, law=fit_power_law(points, seed))


def _point(
    run: RunFolder, cohort: Cohort, share: float, jobs: list[Job], how: DecisionSection
) -> CurvePoint:
    tables, patients, images = [], [], []
    for job in jobs:
        valid, test = (said(run, [job], cohort, split) for split in ("valid", "test"))
        # Folds differ in scale: each is brought to probabilities by its own validation rows.
        decision = decide_by(valid.rows, valid.logits, job.settings.model, how, "valid")
        score = decision.temperature.apply(decision.of_fracture(test.logits))
        table = test.rows.select("image", "patient", "label")
        tables.append(table.with_columns(score=pl.Series(score)))
        train = job.images.filter(split="train")
        rows = cohort.table.join(train, on="image", how="semi")
        patients.append(cohort.with_table(rows).patients().n_unique())
        images.append(rows.height)
    return CurvePoint(
        share=share,
        n_patients=float(np.mean(patients)),
        n_images=float(np.mean(images)),
        auroc=auroc(to_rows(pl.concat(tables)), 0.95),
    )


def fit_power_law(points: Sequence[CurvePoint], seed: int) -> PowerLaw | None:
    """Fit an inverse power law; None with fewer than three points, or where none fits."""
    known = [p for p in points if None not in (p.auroc.value, p.auroc.lower, p.auroc.upper)]
    if len(known) < 3:
        return None
    n = np.array([point.n_patients for point in known])
    y = np.array([point.auroc.value for point in known], dtype=np.float64)
    width = [(p.auroc.upper or 0.0) - (p.auroc.lower or 0.0) for p in known]
    error = np.maximum(np.array(width) / 3.92, 1e-4)
    law = _fit(n, y, error)
    if law is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = [_fit(n, rng.normal(y, error).clip(0.0, 1.0), error) for _ in range(_DRAWS)]
    twice = 2 * n.max()
    found = [float(_power(twice, *again)) for again in drawn if again is not None]
    lower, upper = np.quantile(found, (0.025, 0.975)) if found else (np.nan, np.nan)
    return PowerLaw(
        limit=law[0],
        gain=law[1],
        rate=law[2],
        patients_at_twice=float(twice),
        at_twice=float(_power(twice, *law)),
        lower=float(lower),
        upper=float(upper),
    )


def _power(n: Floats | float, limit: float, gain: float, rate: float) -> Floats:
    return np.asarray(limit - gain * np.asarray(n, dtype=np.float64) ** -rate)


def _fit(n: Floats, y: Floats, error: Floats) -> tuple[float, float, float] | None:
    def misfit(law: Floats) -> Floats:
        return (_power(n, *law) - y) / error

    start = (min(1.0, float(y.max()) + 0.01), 1.0, 0.5)
    found = least_squares(misfit, start, bounds=((0.0, 0.0, 0.01), (1.0, 10.0, 2.0)))
    if not found.success:
        return None
    limit, gain, rate = (float(value) for value in found.x)
    return limit, gain, rate


def draw_learning_curves(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    folds: Sequence[Fold],
    failed: Mapping[str, str],
) -> None:
    """Write ``learning_curve.json``: of each backbone, from the folds that have all points."""
    shares = experiment.learning_curve.shares
    if not shares:
        return
    curves = []
    for backbone in experiment.names:
        mine = [fold for fold in folds if fold.backbone == backbone]
        jobs = [share_jobs(fold, cohort, shares, experiment.split.seed) for fold in mine]
        whole = [of for of in jobs if not any(job.name in failed for job in of.values())]
        if whole:
            curves.append(
                learning_curve(run, cohort, backbone, whole, experiment.decision, experiment.seed)
            )
    found = LearningCurves(curves=curves)
    write_text(found.model_dump_json(indent=1) + "\n", run / "learning_curve.json")
