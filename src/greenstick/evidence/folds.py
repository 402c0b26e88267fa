"""Two models over the folds of a cross-validation that both went through."""

import numpy as np
import polars as pl
from scipy.special import stdtrit

from greenstick.evidence.discrimination import placements
from greenstick.evidence.estimates import Difference
from greenstick.evidence.rows import Floats, to_rows
from greenstick.evidence.significance import resampled_t

FOLD_AUROC = "AUROC, mean of folds"


def fold_differences(
    first: pl.DataFrame, second: pl.DataFrame, level: float = 0.95
) -> list[Difference]:
    """Return the mean difference of AUROCs over folds, by the corrected resampled t test.

    Nadeau & Bengio (2003): folds share training images, so that the plain t test finds
    differences that are none. The figure is about the ways of making a model, where that of all
    rows together is about the models at hand.

    Parameters
    ----------
    first, second
        The same rows in the same order, with ``fold`` and optionally ``repeat``.
    level
        Nominal coverage.

    Returns
    -------
    list of Difference
        One; empty where a table has no folds, the folds of the two differ, there are fewer than
        two, one of them has images of one class only, or each tests all images, as repeats of one
        test set do: then nothing says how much of the training they share.
    """
    keys = [c for c in ("repeat", "fold") if c in first.columns and c in second.columns]
    if "fold" not in keys or not first.select(keys).equals(second.select(keys)):
        return []
    folds = first.select(keys).with_row_index("row").group_by(keys, maintain_order=True)
    rows = [of_fold["row"].to_numpy() for _, of_fold in folds]
    areas = [_areas(first[r], second[r]) for r in rows]
    share = _test_share(first, rows)
    if len(areas) < 2 or any(area is None for area in areas) or share >= 1:
        return []
    return [_mean_difference(np.array(areas), share, level)]


def _areas(first: pl.DataFrame, second: pl.DataFrame) -> tuple[float, float] | None:
    one, two = to_rows(first), to_rows(second)
    if one.labels.all() or not one.labels.any():
        return None
    return placements(one.labels, one.scores).auroc, placements(two.labels, two.scores).auroc


def _test_share(table: pl.DataFrame, rows: list[np.ndarray]) -> float:
    """Return the share of the images that a fold tests, on average."""
    return float(np.mean([len(r) for r in rows])) / table["image"].n_unique()


def _mean_difference(areas: Floats, test_share: float, level: float) -> Difference:
    gaps = areas[:, 1] - areas[:, 0]
    k = len(gaps)
    test = resampled_t(gaps, test_share)
    error = float(np.sqrt(gaps.var(ddof=1) * (1 / k + test_share / (1 - test_share))))
    half = float(stdtrit(k - 1, 0.5 + level / 2)) * error if error > 0 else None
    gap = float(gaps.mean())
    return Difference(
        name=FOLD_AUROC,
        first=float(areas[:, 0].mean()),
        second=float(areas[:, 1].mean()),
        difference=gap,
        lower=None if half is None else gap - half,
        upper=None if half is None else gap + half,
        level=level,
        method=f"corrected resampled t, {k} folds (Nadeau & Bengio 2003)",
        p_value=test.p_value,
        test=f"{test.name} (Nadeau & Bengio 2003)",
    )
