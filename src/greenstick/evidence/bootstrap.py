"""Resampling by patient, a few replicates at a time: rows times replicates are never held."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from greenstick.evidence.intervals import bca, expanded
from greenstick.evidence.rows import Floats, Ints

#: Takes (b, patients) whole-number weights and gives named arrays of b values, or of b curves.
Statistics = Callable[[Ints], Mapping[str, Floats]]

#: How many row weights are held at once: arrays of half a megabyte stay in a processor's cache, and
#: the system need not find memory for each anew, which took as long again as the counting.
CHUNK = 2**16
#: How many groups of patients are left out in turn for the acceleration of BCa.
GROUPS = 200
#: How many replicates of a curve are kept, which is enough for the limits of each of its points.
CURVES = 2000


@dataclass(frozen=True, eq=False)
class Resampled:
    """Replicates of each statistic, and its values with one group of patients left out.

    Attributes
    ----------
    replicates
        Name to (replicates,) values; of a curve the first :data:`CURVES` only, so that memory
        does not grow with replicates but for the one number that each adds to a figure.
    left_out
        Name to (groups,) values; curves have none.
    """

    replicates: Mapping[str, Floats]
    left_out: Mapping[str, Floats]


def resample(
    statistics: Statistics, *, patients: int, rows: int, replicates: int, seed: int
) -> Resampled:
    """Bootstrap and jackknife statistics by patient.

    Parameters
    ----------
    statistics
        What to compute from weights.
    patients
        How many patients there are to draw from.
    rows
        How many rows they have; it sets how many replicates are computed at once.
    replicates
        How many samples of patients to draw with replacement; with none there is no jackknife
        either, as where one patient alone leaves nothing to resample.
    seed
        Same seed, same replicates, on any machine.
    """
    if not replicates:
        every = statistics(np.ones((1, patients), dtype=np.int64))
        nothing = {name: values[:0] for name, values in every.items()}
        return Resampled(nothing, nothing)
    chunk = max(1, CHUNK // max(rows, 1))
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = (
        _kept(statistics(draw_weights(generator, patients, min(chunk, replicates - start))), start)
        for start in range(0, replicates, chunk)
    )
    of_replicates = _joined(drawn)
    groups = np.array_split(generator.permutation(patients), min(GROUPS, patients))
    left_out = (
        _kept(statistics(_without(groups[start : start + chunk], patients)), CURVES)
        for start in range(0, len(groups), chunk)
    )
    return Resampled(of_replicates, _joined(left_out))


def _kept(values: Mapping[str, Floats], start: int) -> Mapping[str, Floats]:
    """Return what is kept of the replicates from ``start`` on: of curves no more than CURVES."""
    left = max(0, CURVES - start)
    return {name: v if v.ndim == 1 else v[:left].copy() for name, v in values.items()}


@dataclass(frozen=True)
class Limits:
    """Limits of a bootstrap interval, None where the replicates have no spread."""

    lower: float | None
    upper: float | None
    method: str


def limits_of(
    name: str, value: float, drawn: Resampled, patients: int, level: float = 0.95
) -> Limits:
    """Return the BCa limits of a statistic, expanded for few patients."""
    return limits_from(value, drawn.replicates[name], drawn.left_out[name], patients, level)


def limits_from(
    value: float, replicates: Floats, left_out: Floats, patients: int, level: float = 0.95
) -> Limits:
    """Return the same from (replicates,) and (groups,) values; those that are NaN failed."""
    kept = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or len(np.unique(kept)) < 2:
        return Limits(None, None, "none: one class, one patient, or no spread")
    lower, upper = bca(value, kept, left_out, expanded(level, patients))
    return Limits(lower, upper, f"bootstrap by patient, expanded BCa, {len(kept)} replicates")


def draw_weights(generator: np.random.Generator, patients: int, replicates: int) -> Ints:
    """Return (replicates, patients): how often each patient is drawn, with replacement."""
    drawn = generator.integers(0, patients, size=(replicates, patients))
    drawn += patients * np.arange(replicates)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=replicates * patients)
    return counts.reshape(replicates, patients)


def _without(groups: list[Ints], patients: int) -> Ints:
    weights = np.ones((len(groups), patients), dtype=np.int64)
    for row, group in zip(weights, groups, strict=True):
        row[group] = 0
    return weights


def _joined(parts: Iterable[Mapping[str, Floats]]) -> Mapping[str, Floats]:
    joined: dict[str, list[Floats]] = {}
    for part in parts:
        for name, values in part.items():
            joined.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in joined.items()}
