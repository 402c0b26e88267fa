"""Sensitivity by lesion against false positives an image (FROC), under any weights of patients."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.matching import match
from greenstick.evidence.rows import Floats, Ints

#: False positives an image at which sensitivity is stated (van Ginneken et al. 2010).
RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
#: Where the curve is read off, evenly on a logarithmic scale.
GRID = np.geomspace(1 / 32, 8.0, 65)
MEAN = "mean FROC sensitivity"


def rate_name(rate: float) -> str:
    """Return what the sensitivity at a rate is called."""
    return f"sensitivity at {Fraction(rate)} FP an image"


def weighed_froc(rows: BoxRows, iou: float) -> Callable[[Ints], dict[str, Floats]]:
    """Match once; return a function from (b, patients) weights to sensitivities.

    A prediction that finds no true box of its class, or one that a surer prediction has found
    already, is a false positive; one on a crowd is neither. At each rate stands the greatest
    sensitivity that a confidence of at most so many false positives an image gives; predictions
    of equal score are called together.

    Returns
    -------
    callable
        To a dict: each of :data:`RATES` by :func:`rate_name`, their mean (the score of the LUNA16
        challenge) as :data:`MEAN`, each (b,), and ``"froc"`` (b, grid) at :data:`GRID`. NaN where
        there is no true box.
    """
    matches = match(rows, (iou,))
    counts = ~matches.ignored[0]
    boxes = rows.predictions.take(matches.order[counts])
    hits = matches.hits[0][counts]
    patients = rows.patients[boxes.images]
    ends = np.flatnonzero(np.append(np.diff(boxes.scores) != 0, True))[: len(hits)]
    lesions = _per_patient(rows, rows.truth.images[matches.wanted])
    images = _per_patient(rows, np.arange(len(rows)))

    def weighed(weights: Ints) -> dict[str, Floats]:
        by_box = weights.take(patients, axis=1)
        found = np.cumsum(by_box * hits, axis=1)[:, ends]
        false = np.cumsum(by_box * ~hits, axis=1)[:, ends]
        allowed = (weights @ images)[:, None] * np.concatenate([RATES, GRID])
        reached = _at_most(false, allowed + 1e-9, found)
        wanted = (weights @ lesions)[:, None]
        shares = np.divide(reached, wanted, out=np.full(reached.shape, np.nan), where=wanted > 0)
        at_rates, curve = shares[:, : len(RATES)], shares[:, len(RATES) :]
        named = {rate_name(rate): at_rates[:, i] for i, rate in enumerate(RATES)}
        return named | {MEAN: at_rates.mean(axis=1), "froc": curve}

    return weighed


def _per_patient(rows: BoxRows, images: Ints) -> Ints:
    return np.bincount(rows.patients[images], minlength=rows.n_patients)


def _at_most(false: Ints, allowed: Floats, found: Ints) -> Floats:
    """Return (b, r): what is found by the last step of no more false positives than allowed."""
    reached = np.zeros(allowed.shape)
    for row, limits, misses, hits in zip(reached, allowed, false, found, strict=True):
        steps = np.searchsorted(misses, limits, side="right")
        row[:] = np.append(0, hits)[steps]
    return reached
