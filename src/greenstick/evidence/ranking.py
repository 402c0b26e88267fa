"""Every metric of weighted rows, from scores that are sorted only once.

A bootstrap replicate gives each patient a whole-number weight. Sorting and ties do
not depend on the weights, so they are worked out once; a replicate then costs one running sum of
whole numbers (ten times quicker than one of floats) and a few passes over the images with a
fracture.
"""

from dataclasses import dataclass

import numpy as np

from greenstick.evidence.rows import Floats, Ints, ScoredRows

#: Where ROC and precision-recall curves are read off: 1 - specificity, and recall.
GRID = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows by falling score; n rows, m of them with a fracture, in g groups of tied scores.

    Attributes
    ----------
    order
        (n,) number that each ranked row has among the rows given.
    patients
        (n,) patient of each ranked row; None where ranked row i is patient i.
    fractures
        (m,) ranks of the rows with a fracture.
    firsts
        (g,) number, among these m, of the first one in each group of ties that holds any.
    above, ends
        (g,) rank of the last row before each such group (-1 for none), and of its last row.
    """

    order: Ints
    patients: Ints | None
    fractures: Ints
    firsts: Ints
    above: Ints
    ends: Ints

    @property
    def tied(self) -> bool:
        """Whether any row with a fracture has the score of another row."""
        return bool((self.ends - self.above > 1).any())

    def row_weights(self, weights: Ints) -> Ints:
        """Return (b, n) weights of the ranked rows from (b, patients) weights."""
        return weights if self.patients is None else weights.take(self.patients, axis=1)


def rank(rows: ScoredRows, *, keep_patients: bool = False) -> Ranking:
    """Sort rows by falling score.

    Where each patient has one row, patient i is taken to be the one of ranked row i: patients are
    exchangeable, and weights then need no look-up. ``keep_patients`` forbids it, for weights that
    must mean the same patients in several rankings.
    """
    order = np.argsort(-rows.scores, kind="stable")
    score, positive = rows.scores[order], rows.labels[order]
    new = np.append(True, np.diff(score) != 0)  # does a group of ties begin here?
    starts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    fractures = np.flatnonzero(positive)
    held, firsts = np.unique(group[fractures], return_index=True)
    ends = np.append(starts[1:], len(score)) - 1
    return Ranking(
        order=order,
        patients=rows.patients[order] if rows.clustered or keep_patients else None,
        fractures=fractures,
        firsts=firsts,
        above=starts[held] - 1,
        ends=ends[held],
    )


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of the ROC curve, one a group of ties that holds a fracture.

    Attributes
    ----------
    gained
        (b, g) weight of the fractures in each group.
    tp
        (b, g) weight of the fractures down to the end of each group.
    fp_above, fp
        (b, g) weight of the other rows before each group, and down to its end.
    negatives
        (b,) weight of all rows without a fracture.
    """

    gained: Floats
    tp: Floats
    fp_above: Floats
    fp: Floats
    negatives: Floats

    @property
    def positives(self) -> Floats:
        """Return the (b,) weight of all fractures."""
        return np.asarray(self.gained.sum(axis=1))


def steps(ranking: Ranking, by_row: Ints) -> Steps:
    """Return the steps of the ROC curve under (b, n) weights of the ranked rows."""
    called = np.cumsum(by_row, axis=1)
    total = called[:, -1]
    by_fracture = by_row.take(ranking.fractures, axis=1)
    if not by_fracture.shape[1]:
        nothing = np.zeros((len(by_row), 0))
        return Steps(nothing, nothing, nothing, nothing, total.astype(np.float64))
    tied = ranking.tied
    gained = np.add.reduceat(by_fracture, ranking.firsts, axis=1) if tied else by_fracture
    tp = np.cumsum(gained, axis=1)
    fp = (called.take(ranking.ends, axis=1) - tp).astype(np.float64)
    fp_above = fp  # a fracture that is tied with none
    if tied:
        before = called.take(np.maximum(ranking.above, 0), axis=1) * (ranking.above >= 0)
        fp_above = (before - tp + gained).astype(np.float64)
    return Steps(
        gained=gained.astype(np.float64),
        tp=tp.astype(np.float64),
        fp_above=fp_above,
        fp=fp,
        negatives=(total - tp[:, -1]).astype(np.float64),
    )


def weighted_auroc(curve: Steps) -> Floats:
    """Return the (b,) AUROC; NaN where a class has no weight."""
    lost = np.einsum("bg,bg->b", curve.gained, curve.fp_above + curve.fp) / 2
    return 1.0 - _share(lost, curve.positives * curve.negatives)


def weighted_partial_auroc(curve: Steps, low: float, high: float) -> Floats:
    """Return the (b,) area under the ROC curve between two values of 1 - specificity.

    It is standardized as by McClish (1989): 0.5 where the scores say nothing, 1 where the ranking
    is perfect. NaN where a class has no weight.
    """
    positives, negatives = curve.positives, curve.negatives
    left, right = low * negatives[:, None], high * negatives[:, None]
    begin, end = np.clip(curve.fp_above, left, right), np.clip(curve.fp, left, right)
    width = np.maximum(curve.fp - curve.fp_above, 1e-9)
    # A group's fractures count in full right of the group, and along a slope within it.
    slope = ((end - curve.fp_above) ** 2 - (begin - curve.fp_above) ** 2) / (2 * width)
    area = _share(np.einsum("bg,bg->b", curve.gained, right - end + slope), positives * negatives)
    least, most = (high**2 - low**2) / 2, high - low
    return np.asarray((1 + (area - least) / (most - least)) / 2)


def weighted_average_precision(curve: Steps) -> Floats:
    """Return the (b,) mean precision over the fractures found; NaN where there is none."""
    called = np.maximum(curve.tp + curve.fp, 1e-300)  # 0 of 0 is gained nowhere
    found = np.einsum("bg,bg->b", curve.gained, curve.tp / called)
    return _share(found, curve.positives)


def _share(part: Floats, whole: Floats) -> Floats:
    shares = np.full(len(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def roc_on_grid(curve: Steps) -> Floats:
    """Return (b, grid) sensitivity at each 1 - specificity; NaN where a class has no weight.

    Where the curve is vertical its upper end counts; within ties it runs straight.
    """
    found = np.full((len(curve.tp), len(GRID)), np.nan)
    for i in np.flatnonzero((curve.positives > 0) & (curve.negatives > 0)):
        at = GRID * curve.negatives[i]
        step = np.searchsorted(curve.fp_above[i], at + 1e-9, side="right") - 1
        last = np.maximum(step, 0)
        width = curve.fp[i, last] - curve.fp_above[i, last]
        inside = (at - curve.fp_above[i, last]) / np.maximum(width, 1e-9)
        reached = curve.tp[i, last] - curve.gained[i, last] * (1 - np.clip(inside, 0, 1)) * (
            width > 0
        )
        found[i] = np.where(step < 0, 0.0, reached) / curve.tp[i, -1]
    return found


def precision_on_grid(curve: Steps) -> Floats:
    """Return (b, grid) precision at the highest threshold that reaches each recall."""
    found = np.full((len(curve.tp), len(GRID)), np.nan)
    for i in np.flatnonzero(curve.positives > 0):
        needed = np.maximum(GRID * curve.positives[i] * (1 - 1e-12), 1e-9)
        at = np.searchsorted(curve.tp[i], needed)
        found[i] = curve.tp[i, at] / (curve.tp[i, at] + curve.fp[i, at])
    return found
