"""Every metric of weighted rows at once, from scores that are sorted only once.

A bootstrap replicate gives each patient a whole-number weight. Sorting, ties, losses and bins do
not depend on the weights, so they are worked out once; a replicate then costs two running sums
and one matrix product.
"""

from dataclasses import dataclass

import numpy as np

from greenstick.evidence.rows import Floats, Ints, ScoredRows

#: Where ROC and precision-recall curves are read off: 1 - specificity, and recall.
GRID = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows by falling score.

    Attributes
    ----------
    positive
        (n,) 1.0 where there is a fracture.
    patients
        (n,) patient of each row; None where row i is patient i.
    ends
        (g,) last row of each group of tied scores; None where there are no ties.
    """

    positive: Floats
    patients: Ints | None
    ends: Ints | None

    def row_weights(self, weights: Floats) -> Floats:
        """Return (b, n) weights of the rows from (b, patients) weights of the patients."""
        return weights if self.patients is None else weights[:, self.patients]


def rank(rows: ScoredRows) -> tuple[Ranking, Ints]:
    """Return rows sorted by falling score, and the (n,) new number of each row's patient.

    Patients are numbered by their first place in the ranking, which keeps memory access near.
    """
    order = np.argsort(-rows.scores, kind="stable")
    sorted_patients = rows.patients[order]
    _, first, inverse = np.unique(sorted_patients, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    renumbered = place[inverse]
    patients = np.empty(len(rows), dtype=np.int64)
    patients[order] = renumbered
    score = rows.scores[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    return (
        Ranking(
            positive=rows.labels[order].astype(np.float64),
            patients=renumbered if rows.clustered else None,
            ends=ends if len(ends) < len(score) else None,
        ),
        patients,
    )


@dataclass(frozen=True, eq=False)
class Cumulated:
    """Weight of the rows at or above each distinct score, (b, g) each."""

    tp: Floats
    called: Floats

    @property
    def fp(self) -> Floats:
        """Weight of the rows without a fracture."""
        return self.called - self.tp


def cumulate(ranking: Ranking, weights: Floats) -> Cumulated:
    """Return running sums of (b, patients) weights down the ranking."""
    by_row = ranking.row_weights(weights)
    called = np.cumsum(by_row, axis=1)
    tp = np.cumsum(by_row * ranking.positive, axis=1)
    if ranking.ends is not None:
        called, tp = called[:, ranking.ends], tp[:, ranking.ends]
    return Cumulated(tp, called)


def weighted_auroc(sums: Cumulated) -> Floats:
    """Return the (b,) AUROC; NaN where a class has no weight."""
    tp, fp = sums.tp, sums.fp
    steps = np.diff(tp, axis=1, prepend=0.0)
    above = fp - np.diff(fp, axis=1, prepend=0.0) / 2
    total = tp[:, -1] * fp[:, -1]
    lost = np.einsum("bg,bg->b", steps, above)
    return np.asarray(1 - np.divide(lost, total, out=np.full(len(total), np.nan), where=total > 0))


def weighted_average_precision(sums: Cumulated) -> Floats:
    """Return the (b,) average precision: mean precision over the fractures found, no interpolation.

    NaN where there is no fracture.
    """
    precision = _divide(sums.tp, sums.called)
    steps = np.diff(sums.tp, axis=1, prepend=0.0)
    found = np.einsum("bg,bg->b", steps, precision)
    total = sums.tp[:, -1]
    return np.asarray(np.divide(found, total, out=np.full(len(total), np.nan), where=total > 0))


def _divide(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))


def roc_on_grid(sums: Cumulated) -> Floats:
    """Return (b, grid) sensitivity at each 1 - specificity; NaN without both classes."""
    tp, fp = sums.tp, sums.fp
    curves = np.full((len(tp), len(GRID)), np.nan)
    for i in np.flatnonzero((tp[:, -1] > 0) & (fp[:, -1] > 0)):
        x = np.concatenate([[0.0], fp[i] / fp[i, -1]])
        curves[i] = np.interp(GRID, x, np.concatenate([[0.0], tp[i] / tp[i, -1]]))
    return curves


def precision_on_grid(sums: Cumulated) -> Floats:
    """Return (b, grid) precision at the highest threshold that reaches each recall of the grid."""
    tp, called = sums.tp, sums.called
    curves = np.full((len(tp), len(GRID)), np.nan)
    for i in np.flatnonzero(tp[:, -1] > 0):
        needed = np.maximum(GRID * tp[i, -1] * (1 - 1e-12), 1e-9)
        at = np.searchsorted(tp[i], needed)
        curves[i] = tp[i, at] / called[i, at]
    return curves
