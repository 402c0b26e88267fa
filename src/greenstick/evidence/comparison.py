"""Which of two models is better, on the same images, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from pydantic import Field
from scipy.stats import norm
from scipy.stats import t as student

from greenstick.decision.operating_points import OperatingPoint
from greenstick.errors import GreenstickError
from greenstick.evidence.arguments import as_list
from greenstick.evidence.bootstrap import limits_from, resample
from greenstick.evidence.discrimination import auroc_covariance, placements
from greenstick.evidence.estimates import Difference, Record, SignificanceTest, named
from greenstick.evidence.evidence import calls_of
from greenstick.evidence.folds import fold_differences
from greenstick.evidence.intervals import (
    clustered_wilson,
    mover_difference,
    t_of,
    z_of,
)
from greenstick.evidence.leaks import check_threshold
from greenstick.evidence.resampling import LOSSES, statistics_of
from greenstick.evidence.rows import Bools, Floats, Ints, Missing, ScoredRows, to_rows, usable
from greenstick.evidence.significance import clustered_mcnemar, mcnemar
from greenstick.findings import Finding, Severity
from greenstick.scores import names_patients

Points = OperatingPoint | Sequence[OperatingPoint] | None


class Comparison(Record):
    """Two models on the same images; differences are second minus first.

    ``findings`` say whether thresholds come from other rows than the compared ones, first those
    of the first model.
    """

    first: str
    second: str
    n_images: int
    n_patients: int
    margin: float | None
    differences: list[Difference]
    findings: list[Finding] = Field(default_factory=list)

    @property
    def untrue(self) -> bool:
        """Whether a finding makes a number untrue."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def difference(self, name: str) -> Difference:
        """Return the difference of this name, e.g. ``comparison.difference("AUROC")``."""
        return named(self.differences, name, where="comparison")


@dataclass(frozen=True, eq=False)
class Pair:
    """The scores of two models on the same rows, in the same order."""

    first: ScoredRows
    second: ScoredRows


def compare(
    first: pl.DataFrame,
    second: pl.DataFrame,
    *,
    names: tuple[str, str] = ("first", "second"),
    points: tuple[Points, Points] = (None, None),
    rows: str = "test",
    margin: float | None = None,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
    missing: Missing = "refuse",
) -> Comparison:
    """Compare two models on the same images.

    Parameters
    ----------
    first, second
        Scores with ``image``, ``label``, ``score``; optionally ``patient``, ``repeat``,
        ``decision``. Patients are those of the
        first, or where it names none those of the second.
    names
        What the models are called.
    points
        Operating points of either; sensitivity and specificity are compared where both models
        call fractures (by a point or by ``decision``).
    rows
        What the images are called, e.g. ``"test"``; points must have been chosen on others.
    margin
        How much worse the second may be and still count as non-inferior, in units of the figure;
        for losses, where less is better, how much higher. The claim rests on one limit of the
        interval: with ``level`` 0.95 it is a one-sided test at 2.5 %.
    seed, replicates, level
        Of the bootstrap, and nominal coverage.
    missing
        ``"refuse"`` unless both judge the same images, or ``"drop"`` what only one has.

    Returns
    -------
    Comparison
        ``AUROC`` (paired DeLong 1988, by patient Obuchowski 1997), ``average precision``, ``Brier
        score`` and ``log loss`` (paired bootstrap by patient), ``sensitivity`` and ``specificity``
        (McNemar, and MOVER intervals of paired shares). Where both tables have folds, also
        ``AUROC, mean of folds`` by the corrected resampled t test.

    Raises
    ------
    GreenstickError
        Where the images or labels of the two differ, or there is only one class.
    """
    one, two = _paired(first, second, missing)
    judged = to_rows(one)
    pair = Pair(judged, replace(to_rows(two), patients=judged.patients, images=judged.images))
    if pair.first.labels.all() or not pair.first.labels.any():
        raise GreenstickError(
            "All images are of one class.", remedy="Compare on images with and without fractures."
        )
    differences = [
        auroc_difference(pair, level),
        *fold_differences(one, two, level),
        *_resampled(pair, replicates, seed, level),
    ]
    listed = as_list(points[0]), as_list(points[1])
    calls = calls_of(one, listed[0]), calls_of(two, listed[1])
    if calls[0] is not None and calls[1] is not None:
        differences += share_differences(pair, calls[0], calls[1], level)
    return Comparison(
        first=names[0],
        second=names[1],
        n_images=one["image"].n_unique(),
        n_patients=pair.first.n_patients,
        margin=margin,
        differences=[_with_verdict(found, margin) for found in differences],
        findings=[
            check_threshold(one, pair.first, rows, listed[0], calls[0]),
            check_threshold(two, pair.second, rows, listed[1], calls[1]),
        ],
    )


def _paired(
    first: pl.DataFrame, second: pl.DataFrame, missing: Missing
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both tables with the same images in the same order."""
    one, two = (usable(_with_images(table), missing)[0] for table in (first, second))
    key = [c for c in ("image", "repeat") if c in one.columns and c in two.columns]
    both = one.select(key).join(two.select(key), on=key).sort(key)
    lost = one.height + two.height - 2 * both.height
    if both.is_empty():
        raise GreenstickError(
            "The tables have no image in common.",
            remedy="Name the images alike in both, with their folders or without.",
        )
    if lost and missing == "refuse":
        raise GreenstickError(
            f"{both.height} images are in both tables, {lost} in one only.",
            remedy="Compare on the same images; --drop-missing leaves out the others.",
        )
    one, two = (both.join(t, on=key, how="left", maintain_order="left") for t in (one, two))
    if (to_rows(one).labels != to_rows(two).labels).any():
        raise GreenstickError(
            "The tables disagree on the label of some images.", remedy="Use one set of labels."
        )
    if names_patients(two) and not names_patients(one):
        one = one.with_columns(two["patient"])
    return one, two


def _with_images(table: pl.DataFrame) -> pl.DataFrame:
    if "image" not in table.columns:
        raise GreenstickError(
            "A comparison needs a column 'image' to pair the scores by.",
            remedy="Add it, or say which column names the image.",
        )
    return table.with_columns(pl.col("image").cast(pl.String))


def auroc_difference(pair: Pair, level: float) -> Difference:
    """Return the difference of AUROCs: paired DeLong (1988), by patient Obuchowski (1997)."""
    rows = pair.first
    placed = [placements(rows.labels, r.scores) for r in (pair.first, pair.second)]
    covariance = auroc_covariance(rows, placed)
    gap = placed[1].auroc - placed[0].auroc
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    known = variance > 1e-18
    patients = min(rows.patients_by_class)
    quantile = t_of(level, patients) if rows.clustered else z_of(level)
    half = quantile * float(np.sqrt(variance)) if known else None
    z = gap / float(np.sqrt(variance)) if known else 0.0
    tail = student.sf(abs(z), patients - 1) if rows.clustered else norm.sf(abs(z))
    name = "DeLong for clustered data (Obuchowski 1997)" if rows.clustered else "DeLong (1988)"
    return Difference(
        name="AUROC",
        first=placed[0].auroc,
        second=placed[1].auroc,
        difference=gap,
        lower=None if half is None else gap - half,
        upper=None if half is None else gap + half,
        level=level,
        method=f"{name}, paired" if known else _why_unknown(gap, variance),
        p_value=float(2 * tail) if known else None,
        test=f"{name}, paired" if known else "",
    )


def _why_unknown(gap: float, variance: float) -> str:
    """Return why a difference of AUROCs has no interval."""
    if np.isnan(variance):
        return "none: a single patient with or without a fracture"
    return "none: the models rank alike" if abs(gap) < 1e-12 else "none: no error can be estimated"


def _resampled(pair: Pair, replicates: int, seed: int, level: float) -> list[Difference]:
    """Return differences by bootstrap: both models are judged on the same drawn patients."""
    names = ["average precision"]
    if pair.first.probabilities and pair.second.probabilities:
        names += LOSSES
    rows = pair.first
    if rows.n_patients < 2:
        return []
    each = [statistics_of(r, keep_patients=True) for r in (pair.first, pair.second)]

    def both(weights: Ints) -> dict[str, Floats]:
        first, second = (statistics(weights) for statistics in each)
        return {
            f"{name}, {which}": values[name]
            for name in names
            for which, values in (("first", first), ("second", second))
        }

    whole = both(np.ones((1, rows.n_patients), dtype=np.int64))
    drawn = resample(
        both, patients=rows.n_patients, rows=2 * len(rows), replicates=replicates, seed=seed
    )
    found = []
    for name in names:
        first, second = f"{name}, first", f"{name}, second"
        gap = float(whole[second][0] - whole[first][0])
        replicate = drawn.replicates[second] - drawn.replicates[first]
        left_out = drawn.left_out[second] - drawn.left_out[first]
        limits = limits_from(gap, replicate, left_out, rows.n_patients, level)
        found.append(
            Difference(
                name=name,
                first=float(whole[first][0]),
                second=float(whole[second][0]),
                difference=gap,
                lower=limits.lower,
                upper=limits.upper,
                level=level,
                method=f"paired {limits.method}",
            )
        )
    return found


def share_differences(pair: Pair, first: Bools, second: Bools, level: float) -> list[Difference]:
    """Return the differences of sensitivity and specificity, with McNemar's test."""
    y = pair.first.labels
    return [
        _share("sensitivity", pair.first, first, second, y, level),
        _share("specificity", pair.first, ~first, ~second, ~y, level),
    ]


def _share(
    name: str, rows: ScoredRows, first: Bools, second: Bools, among: Bools, level: float
) -> Difference:
    n = rows.per_patient(among)
    a, b = rows.per_patient(first & among), rows.per_patient(second & among)
    total = float(n.sum())
    p, q = float(a.sum()) / total, float(b.sum()) / total
    u, v = a - p * n, b - q * n
    size = float(np.sqrt((u @ u) * (v @ v)))
    interval = mover_difference(
        q,
        clustered_wilson(b, n, level),
        p,
        clustered_wilson(a, n, level),
        float(u @ v) / size if size > 0 else 0.0,
    )
    test = _mcnemar(a, b, n)
    return Difference(
        name=name,
        first=p,
        second=q,
        difference=q - p,
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        method=interval.method,
        p_value=test.p_value,
        test=test.method,
    )


def _mcnemar(first: Floats, second: Floats, n: Floats) -> SignificanceTest:
    if n.max() > 1:
        return clustered_mcnemar(first, second)
    return mcnemar(int((first > second).sum()), int((second > first).sum()))


def _with_verdict(found: Difference, margin: float | None) -> Difference:
    if margin is None or found.lower is None or found.upper is None:
        return found
    kept = found.upper < margin if found.name in LOSSES else found.lower > -margin
    return found.model_copy(update={"non_inferior": kept})
