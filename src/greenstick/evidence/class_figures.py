"""Figures over all of several classes: means of each class's, and those of the answers."""

from collections.abc import Mapping

import numpy as np

from greenstick.evidence.bootstrap import limits_of, resample
from greenstick.evidence.calibration import expected_error
from greenstick.evidence.class_rows import ClassRows
from greenstick.evidence.discrimination import Placements, placements
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.intervals import clustered_wilson, logit_interval, t_of, z_of
from greenstick.evidence.ranking import rank, steps, weighted_average_precision
from greenstick.evidence.readers.agreement import cohen_kappa
from greenstick.evidence.reliability import equal_width
from greenstick.evidence.rows import Bools, Floats, Ints, ScoredRows

#: A probability of 0 that comes true would cost infinitely much.
LEAST = 1e-15


def overall(
    rows: ClassRows, calls: Bools | None, *, level: float, replicates: int, seed: int
) -> list[Estimate]:
    """Return every figure over all classes.

    Parameters
    ----------
    rows
        The judged images.
    calls
        (k, n) which classes are called: of multi-class rows just one an image, or None.
    level, replicates, seed
        Nominal coverage, and of the bootstrap by patient.
    """
    found = _areas(rows, level)
    if calls is not None:
        found += _answers(rows, calls, level)
    found += _resampled(rows, calls, level, replicates, seed)
    if rows.kind == "multi-class" and rows.probabilities:
        top = rows.scores.argmax(axis=0)
        right = np.take_along_axis(rows.labels, top[None], axis=0)[0]
        sure = rows.with_scores(right, rows.scores.max(axis=0))
        name = "ECE of the top class"
        found += expected_error(sure, equal_width(sure.scores), name=name, level=level, seed=seed)
    return found


def estimable(rows: ClassRows) -> list[int]:
    """Return the classes that some images are of and some are not."""
    parts = [rows.of_class(i).labels for i in range(len(rows.classes))]
    return [i for i, labels in enumerate(parts) if labels.any() and not labels.all()]


def _areas(rows: ClassRows, level: float) -> list[Estimate]:
    """Return macro and weighted AUROC; their variance is that of the patients' influence."""
    places = estimable(rows)
    if not places:
        return []
    parts = [rows.of_class(i) for i in places]
    placed = [placements(part.labels, part.scores) for part in parts]
    areas = np.array([p.auroc for p in placed])
    counts = np.array([part.labels.sum() for part in parts], dtype=np.float64)
    shares = counts / counts.sum()
    influence = np.stack(
        [
            rows.per_patient(_influence(part, p), rows.known[i])
            for i, part, p in zip(places, parts, placed, strict=True)
        ]
    )
    each = np.stack([rows.per_patient(rows.labels[i].astype(np.float64)) for i in places])
    weighted = float(shares @ areas)
    moved = (areas - weighted) @ each / counts.sum()  # the shares are estimates too
    return [
        _by_influence(rows, "AUROC macro", float(areas.mean()), influence.mean(axis=0), level),
        _by_influence(rows, "AUROC weighted", weighted, shares @ influence + moved, level),
    ]


def _influence(rows: ScoredRows, placed: Placements) -> Floats:
    size = np.where(rows.labels, rows.labels.sum(), (~rows.labels).sum())
    return np.asarray((placed.values - placed.auroc) / size, dtype=np.float64)


def _by_influence(
    rows: ClassRows, name: str, value: float, influence: Floats, level: float
) -> Estimate:
    m = rows.n_patients
    variance = float((influence**2).sum()) * m / (m - 1) if m > 1 else 0.0
    quantile = t_of(level, m) if m < len(rows) else z_of(level)
    known = variance > 1e-18 and 0 < value < 1
    lower, upper = logit_interval(value, variance, quantile) if known else (None, None)
    return Estimate(
        name=name,
        value=value,
        lower=lower,
        upper=upper,
        level=level,
        method="influence by patient, logit scale" if known else "none: no spread",
        n_images=len(rows),
        n_patients=m,
    )


def _answers(rows: ClassRows, calls: Bools, level: float) -> list[Estimate]:
    """Return the share of images answered rightly in all classes, and agreement beyond chance."""
    complete = np.asarray(rows.known.all(axis=0))
    right = np.asarray((rows.labels == calls).all(axis=0)) & complete
    name = "accuracy" if rows.kind == "multi-class" else "all classes right"
    hits, n = (rows.per_patient(of.astype(np.float64)) for of in (right, complete))
    interval = clustered_wilson(hits, n, level)
    if not complete.any():
        return []
    share = Estimate(
        name=name,
        value=float(right.sum() / complete.sum()),
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        method=interval.method,
        n_images=int(complete.sum()),
        n_patients=int((n > 0).sum()),
    )
    if rows.kind == "multi-label":
        return [share]
    truth, answer = (of.argmax(axis=0).astype(np.float64) for of in (rows.labels, calls))
    return [share, cohen_kappa(rows.with_scores(rows.labels[0], truth), truth, answer, level=level)]


def _resampled(
    rows: ClassRows, calls: Bools | None, level: float, replicates: int, seed: int
) -> list[Estimate]:
    """Return the figures that need the bootstrap, from the same samples of patients."""
    places = estimable(rows)
    if not places:
        return []
    rankings = [(rank(rows.of_class(i), keep_patients=True), i) for i in places]
    counted = None if calls is None else _counts(rows, calls, places)
    losses = _losses(rows)
    n = rows.per_patient(np.ones(len(rows)))

    def statistics(weights: Ints) -> Mapping[str, Floats]:
        precision = [
            weighted_average_precision(steps(ranking, ranking.row_weights(weights)))
            for ranking, _ in rankings
        ]
        named = {"average precision macro": np.asarray(np.mean(precision, axis=0))}
        if counted is not None:
            named |= _of_counts(weights @ counted)
        total = weights @ n
        return named | {name: (weights @ loss) / total for name, loss in losses.items()}

    whole = statistics(np.ones((1, rows.n_patients), dtype=np.int64))
    drawn = resample(
        statistics,
        patients=rows.n_patients,
        rows=len(rows) * len(places),
        replicates=replicates if rows.n_patients > 1 else 0,
        seed=seed,
    )
    found = []
    for name, value in whole.items():
        limits = limits_of(name, float(value[0]), drawn, rows.n_patients, level)
        found.append(
            Estimate(
                name=name,
                value=float(value[0]) if np.isfinite(value[0]) else None,
                lower=limits.lower,
                upper=limits.upper,
                level=level,
                method=limits.method,
                n_images=len(rows),
                n_patients=rows.n_patients,
            )
        )
    return found


def _counts(rows: ClassRows, calls: Bools, places: list[int]) -> Floats:
    """Return (patients, 3 k): images rightly called, called, and of the class, for each class."""
    known, labels, called = rows.known[places], rows.labels[places], calls[places]
    columns = [*(labels & called), *(called & known), *labels]
    return np.stack([rows.per_patient(column * 1.0) for column in columns], axis=1)


def _of_counts(sums: Floats) -> dict[str, Floats]:
    """Return the means over classes of sensitivity and F1; NaN where a class has no images."""
    hits, called, labeled = np.split(sums, 3, axis=1)
    nothing = np.full(hits.shape, np.nan)
    recall = np.divide(hits, labeled, out=nothing.copy(), where=labeled > 0)
    f1 = np.divide(2 * hits, called + labeled, out=nothing, where=called + labeled > 0)
    return {"sensitivity macro": recall.mean(axis=1), "F1 macro": f1.mean(axis=1)}


def _losses(rows: ClassRows) -> dict[str, Floats]:
    """Return each patient's summed losses of multi-class probabilities."""
    if rows.kind == "multi-label" or not rows.probabilities:
        return {}
    of_truth = (rows.scores * rows.labels).sum(axis=0)
    return {
        "log loss": rows.per_patient(-np.log(np.maximum(of_truth, LEAST))),
        "Brier score": rows.per_patient(((rows.scores - rows.labels) ** 2).sum(axis=0)),
    }
