"""Whether the heat is where the fracture is."""

import numpy as np
import polars as pl

from greenstick.evidence.bootstrap import limits_of, resample
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.intervals import clustered_wilson
from greenstick.evidence.rows import Floats, Ints, numbered
from greenstick.scores import need_columns, patients_of


def localisation(
    table: pl.DataFrame, *, level: float = 0.95, seed: int = 0, replicates: int = 2000
) -> list[Estimate]:
    """Return how often the heat map's peak lies in a box, how much of its mass, and how it ranks.

    Parameters
    ----------
    table
        ``peak_hit`` (Boolean), ``mass_in_boxes`` and ``box_area_share`` (shares of 0 to 1), with
        ``image`` and optionally ``patient``; rows without boxes are null and left out. Optionally
        ``pixel_auroc``.

    Returns
    -------
    list of Estimate
        ``peak hit rate``, ``mass in boxes`` and ``box area share``: the last is what a map that
        knows nothing would reach in the other two. ``pixel AUROC`` is the mean of the images'.
        Empty where no image has boxes.
    """
    names = ("peak_hit", "mass_in_boxes", "box_area_share")
    need_columns(table, *names)
    table = table.drop_nulls(names)
    if table.is_empty():
        return []
    patients = numbered(patients_of(table))
    n = np.bincount(patients).astype(np.float64)
    hits = np.bincount(patients, table["peak_hit"].to_numpy()).astype(np.float64)
    interval = clustered_wilson(hits, n, level)
    rate = Estimate(
        name="peak hit rate",
        value=float(hits.sum() / n.sum()),
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        method=interval.method,
        n_images=table.height,
        n_patients=len(n),
    )
    sums = {
        name.replace("_", " "): np.bincount(patients, table[name].to_numpy()).astype(np.float64)
        for name in names[1:]
    }
    means = _means(sums, n, level, seed, replicates)
    return [rate, *means, *_pixel_auroc(table, level, seed, replicates)]


def _pixel_auroc(table: pl.DataFrame, level: float, seed: int, replicates: int) -> list[Estimate]:
    """Return the mean over images that have one."""
    if "pixel_auroc" not in table.columns or table["pixel_auroc"].is_null().all():
        return []
    table = table.drop_nulls("pixel_auroc")
    patients = numbered(patients_of(table))
    n = np.bincount(patients).astype(np.float64)
    total = np.bincount(patients, table["pixel_auroc"].to_numpy()).astype(np.float64)
    return _means({"pixel AUROC": total}, n, level, seed, replicates)


def _means(
    sums: dict[str, Floats], n: Floats, level: float, seed: int, replicates: int
) -> list[Estimate]:
    def statistics(weights: Ints) -> dict[str, Floats]:
        return {name: (weights @ total) / (weights @ n) for name, total in sums.items()}

    several = len(n) > 1  # one patient alone leaves nothing to resample
    drawn = resample(
        statistics,
        patients=len(n),
        rows=len(n),
        replicates=replicates if several else 0,
        seed=seed,
    )
    found = []
    for name, total in sums.items():
        value = float(total.sum() / n.sum())
        limits = limits_of(name, value, drawn, len(n), level)
        found.append(
            Estimate(
                name=name,
                value=value,
                lower=limits.lower,
                upper=limits.upper,
                level=level,
                method=limits.method,
                n_images=int(n.sum()),
                n_patients=len(n),
            )
        )
    return found
