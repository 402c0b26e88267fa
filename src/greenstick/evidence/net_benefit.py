"""Whether acting on the scores does more good than treating everybody, or nobody."""

import numpy as np

from greenstick.evidence.estimates import DecisionCurve
from greenstick.evidence.intervals import t_of, z_of
from greenstick.evidence.rows import ScoredRows

#: Shares at which somebody would act: "I would treat 1 / t patients to catch one fracture".
THRESHOLDS = np.round(np.arange(0.01, 0.605, 0.01), 2)


def decision_curve(rows: ScoredRows, level: float = 0.95) -> DecisionCurve:
    """Return the net benefit over thresholds (Vickers & Elkin 2006).

    At threshold t an image is acted upon where its score is t or more; the net benefit is the share
    of fractures found less the share of false alarms times t / (1 - t), in fractures per image.
    Doing nothing has none. The interval is that of a ratio of patients' sums.

    Parameters
    ----------
    rows
        Judged images; their scores must be probabilities.
    level
        Nominal coverage of the pointwise interval.
    """
    n = rows.per_patient(np.ones(len(rows)))
    m = len(n)
    quantile = t_of(level, m) if rows.clustered else z_of(level)
    value, half = np.empty(len(THRESHOLDS)), np.empty(len(THRESHOLDS))
    for i, t in enumerate(THRESHOLDS):
        worth = np.where(rows.labels, 1.0, -t / (1 - t)) * (rows.scores >= t)
        sums = rows.per_patient(worth)
        value[i] = sums.sum() / n.sum()
        spread = float(((sums - value[i] * n) ** 2).sum()) * m / max(m - 1, 1)
        half[i] = quantile * np.sqrt(spread) / n.sum() if m > 1 else np.inf
    share = float(rows.labels.mean())
    everybody = share - (1 - share) * THRESHOLDS / (1 - THRESHOLDS)
    known = np.isfinite(half).all()
    return DecisionCurve(
        thresholds=THRESHOLDS.tolist(),
        model=value.tolist(),
        lower=(value - half).tolist() if known else [],
        upper=(value + half).tolist() if known else [],
        treat_all=everybody.tolist(),
        level=level,
        method="ratio of patients' sums, normal" if known else "none: only one patient",
    )
