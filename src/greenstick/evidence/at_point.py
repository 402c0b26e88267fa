"""What the calls at an operating point are worth."""

from collections.abc import Callable

import numpy as np

from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import Confusion, Estimate
from greenstick.evidence.intervals import (
    Interval,
    clustered_wilson,
    fisher_interval,
    mover_mean,
    mover_ratio,
    t_of,
    z_of,
)
from greenstick.evidence.rows import Bools, Floats, ScoredRows, count, undefined


def confusion(labels: Bools, calls: Bools) -> Confusion:
    """Count images by label and call."""
    return Confusion(
        tp=int((labels & calls).sum()),
        fp=int((~labels & calls).sum()),
        fn=int((labels & ~calls).sum()),
        tn=int((~labels & ~calls).sum()),
    )


def at_operating_point(rows: ScoredRows, calls: Bools, level: float = 0.95) -> list[Estimate]:
    """Return every figure at the operating point, each with its interval.

    Parameters
    ----------
    rows
        The judged images.
    calls
        (n,) true where a fracture was called.
    """
    y = rows.labels
    sensitivity = proportion("sensitivity", rows, calls, among=y, level=level)
    specificity = proportion("specificity", rows, ~calls, among=~y, level=level)
    return [
        sensitivity,
        specificity,
        proportion("PPV", rows, y, among=calls, level=level),
        proportion("NPV", rows, ~y, among=~calls, level=level),
        f1(rows, calls, level),
        proportion("accuracy", rows, calls == y, among=np.ones_like(y), level=level),
        balanced_accuracy(rows, calls, level),
        mcc(rows, calls, level),
        kappa(rows, calls, level),
        *likelihood_ratios(rows, calls, level),
    ]


def proportion(
    name: str, rows: ScoredRows, hits: Bools, *, among: Bools, level: float = 0.95
) -> Estimate:
    """Return the share of hits among some of the rows, with Wilson's interval by patient."""
    n = int(among.sum())
    interval = _share_interval(rows, hits & among, among, level)
    return Estimate(
        name=name,
        value=int((hits & among).sum()) / n if n else None,
        lower=interval.lower if n else None,
        upper=interval.upper if n else None,
        level=level,
        method=interval.method if n else "not estimable: no such image",
        n_images=n,
        n_patients=count(rows.patients[among]),
    )


def _share_interval(rows: ScoredRows, hits: Bools, among: Bools, level: float) -> Interval:
    return clustered_wilson(rows.per_patient(hits), rows.per_patient(among), level)


def f1(rows: ScoredRows, calls: Bools, level: float = 0.95) -> Estimate:
    """Return F1, whose interval is that of a proportion.

    F1 = 2 J / (1 + J), where J is the share of true positives among the images that are called
    or fractured (Hand et al. 2021); Wilson's limits of J become limits of F1.
    """
    share = proportion("F1", rows, rows.labels & calls, among=rows.labels | calls, level=level)
    if share.value is None or share.lower is None or share.upper is None:
        return share
    return share.model_copy(
        update={
            "value": 2 * share.value / (1 + share.value),
            "lower": 2 * share.lower / (1 + share.lower),
            "upper": 2 * share.upper / (1 + share.upper),
            "method": f"{share.method}, of the Jaccard index (Hand et al. 2021)",
            "n_images": len(rows),
            "n_patients": rows.n_patients,
        }
    )


def balanced_accuracy(rows: ScoredRows, calls: Bools, level: float = 0.95) -> Estimate:
    """Return the mean of sensitivity and specificity."""
    y = rows.labels
    if y.all() or not y.any():
        return undefined("balanced accuracy", rows, level, "only one class")
    se, sp = (calls & y).sum() / y.sum(), (~calls & ~y).sum() / (~y).sum()
    interval = mover_mean(
        float(se),
        _share_interval(rows, calls & y, y, level),
        float(sp),
        _share_interval(rows, ~calls & ~y, ~y, level),
        _correlation(rows, (calls - se) * y, (~calls - sp) * ~y),
    )
    return _estimate("balanced accuracy", float(se + sp) / 2, interval, rows, level)


def likelihood_ratios(rows: ScoredRows, calls: Bools, level: float = 0.95) -> list[Estimate]:
    """Return how much more often a call, and no call, is made with a fracture than without."""
    y = rows.labels
    if y.all() or not y.any():
        return [undefined(name, rows, level, "only one class") for name in ("LR+", "LR-")]
    return [_ratio("LR+", rows, calls, level), _ratio("LR-", rows, ~calls, level)]


def at_prevalence(
    rows: ScoredRows, calls: Bools, prevalence: float, level: float = 0.95
) -> list[Estimate]:
    """Return PPV and NPV as they would be where fractures are as common as stated.

    By Bayes' theorem from the likelihood ratios, of which both are monotone functions, so that
    their limits carry over. The prevalence is taken to be known.

    Raises
    ------
    GreenstickError
        Where the prevalence does not lie between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise GreenstickError(
            f"A prevalence of {prevalence} is none.", remedy="Give a share between 0 and 1."
        )
    odds = prevalence / (1 - prevalence)
    names = (f"PPV at prevalence {prevalence:g}", f"NPV at prevalence {prevalence:g}")
    above, below = likelihood_ratios(rows, calls, level)
    return [
        _after(above, names[0], lambda ratio: ratio * odds / (1 + ratio * odds), calls.any()),
        _after(below, names[1], lambda ratio: 1 / (1 + ratio * odds), (~calls).any()),
    ]


def _after(ratio: Estimate, name: str, of: Callable[[float], float], defined: np.bool_) -> Estimate:
    if not defined or ratio.lower is None:
        unknown = {"value": None, "lower": None, "upper": None}
        why = ratio.method if defined else "not estimable: no such call"
        return ratio.model_copy(update={"name": name, "method": why, **unknown})
    certain = 1.0 if of(1e9) > 0.5 else 0.0  # what an infinite ratio tells
    limits = [of(ratio.lower), certain if ratio.upper is None else of(ratio.upper)]
    return ratio.model_copy(
        update={
            "name": name,
            "value": certain if ratio.value is None else of(ratio.value),
            "lower": min(limits),
            "upper": max(limits),
            "method": f"{ratio.method}, of {ratio.name}",
        }
    )


def _ratio(name: str, rows: ScoredRows, hits: Bools, level: float) -> Estimate:
    y = rows.labels
    above, below = (hits & y).sum() / y.sum(), (hits & ~y).sum() / (~y).sum()
    interval = mover_ratio(
        float(above),
        _share_interval(rows, hits & y, y, level),
        float(below),
        _share_interval(rows, hits & ~y, ~y, level),
        _correlation(rows, (hits - above) * y, (hits - below) * ~y),
    )
    if above == below == 0:
        return undefined(name, rows, level, "0 of 0")
    value = float(above / below) if below > 0 else None
    if value is None:
        interval = Interval(interval.lower, np.inf, interval.method + "; the estimate is infinite")
    return _estimate(name, value, interval, rows, level)


def _correlation(rows: ScoredRows, first: Floats, second: Floats) -> float:
    """Return how two shares move together over patients; 0 where each has one image."""
    if not rows.clustered:
        return 0.0
    a, b = rows.per_patient(first), rows.per_patient(second)
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0


def mcc(rows: ScoredRows, calls: Bools, level: float = 0.95) -> Estimate:
    """Return Matthews' correlation coefficient (1975), interval on Fisher's z scale."""
    y = rows.labels
    if y.all() or not y.any() or calls.all() or not calls.any():
        return undefined("MCC", rows, level, "only one class, or only one call")
    a, b = y - y.mean(), calls - calls.mean()
    sa, sb = a.std(), b.std()
    value = float((a * b).mean() / (sa * sb))
    # The influence of a row on a correlation (Devlin et al. 1975).
    u, v = a / sa, b / sb
    influence = u * v - value * (u**2 + v**2) / 2
    return _delta("MCC", value, influence, rows, level)


def kappa(rows: ScoredRows, calls: Bools, level: float = 0.95) -> Estimate:
    """Return Cohen's kappa (1960) of call and label, interval on Fisher's z scale."""
    y = rows.labels
    p, q = float(y.mean()), float(calls.mean())
    expected = p * q + (1 - p) * (1 - q)
    if expected == 1:
        return undefined("Cohen's kappa", rows, level, "label and call are both constant")
    agreed = float((y == calls).mean())
    value = (agreed - expected) / (1 - expected)
    by_row = (y - p) * (2 * q - 1) + (calls - q) * (2 * p - 1)
    influence = ((y == calls) - agreed) / (1 - expected) - by_row * (1 - agreed) / (
        1 - expected
    ) ** 2
    return _delta("Cohen's kappa", value, influence, rows, level)


def _delta(name: str, value: float, influence: Floats, rows: ScoredRows, level: float) -> Estimate:
    """Return an estimate whose variance is that of the patients' summed influence."""
    m = rows.n_patients
    sums = rows.per_patient(influence)
    variance = float((sums**2).sum()) / len(rows) ** 2 * (m / (m - 1) if m > 1 else np.nan)
    if value > 1 - 1e-12:
        return _estimate(name, 1.0, _perfect(rows, level), rows, level)
    if not variance > 1e-18:
        return _estimate(name, value, Interval(-np.inf, np.inf, "none: no spread"), rows, level)
    quantile = t_of(level, m) if rows.clustered else z_of(level)
    lower, upper = fisher_interval(value, variance, quantile)
    method = "delta method by patient, Fisher's z scale"
    return _estimate(name, value, Interval(lower, upper, method), rows, level)


def _perfect(rows: ScoredRows, level: float) -> Interval:
    """Return the interval of an agreement of 1, which no delta method can give.

    MCC and kappa are then both (accuracy - e) / (1 - e) with chance agreement e from the margins.
    """
    every = np.ones(len(rows), dtype=np.bool_)
    accuracy = _share_interval(rows, every, every, level)
    p = float(rows.labels.mean())
    chance = p**2 + (1 - p) ** 2
    lower = (accuracy.lower - chance) / (1 - chance)
    return Interval(lower, 1.0, f"{accuracy.method}, limit of accuracy at these margins")


def _estimate(
    name: str, value: float | None, interval: Interval, rows: ScoredRows, level: float
) -> Estimate:
    return Estimate(
        name=name,
        value=value,
        lower=interval.lower if np.isfinite(interval.lower) else None,
        upper=interval.upper if np.isfinite(interval.upper) else None,
        level=level,
        method=interval.method,
        n_images=len(rows),
        n_patients=rows.n_patients,
    )
