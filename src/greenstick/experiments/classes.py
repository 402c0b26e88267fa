"""What the logits of several classes say: of each class, and of a fracture of any kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax

from greenstick.cohorts.cohort import Cohort
from greenstick.decision.calibration import BOUNDS, Temperature, fit_temperature
from greenstick.decision.operating_points import OperatingPoint, choose_operating_point, decide
from greenstick.decision.provenance import image_hashes, sample_of
from greenstick.experiments.sections import DecisionSection
from greenstick.models.settings import ClassifierSettings
from greenstick.training.labels import FRACTURE, NO_FRACTURE, class_labels, hot_labels

Floats = NDArray[np.float64]
_TINY = 1e-7


def one_of(settings: ClassifierSettings) -> bool:
    """Tell whether just one of several classes holds."""
    return len(settings.classes) > 1 and settings.outputs == "one-of"


def headline(settings: ClassifierSettings) -> str:
    """Return the class that stands for a fracture; empty where a fracture is what is judged.

    Where none of several classes is 'fracture' or 'no fracture', as in a cohort of fractures alone,
    the first class is judged against the rest.
    """
    named = {FRACTURE, NO_FRACTURE} & set(settings.classes)
    return "" if len(settings.classes) == 1 or named else settings.classes[0]


def with_headline(cohort: Cohort, settings: ClassifierSettings) -> Cohort:
    """Return the cohort with the label that the run judges: see :func:`headline`.

    Raises
    ------
    GreenstickError
        Where a fracture has no type.
    """
    name = headline(settings)
    if not name:
        return cohort
    holds = pl.Series("label", hot_labels(cohort.table, (name,))[:, 0], dtype=pl.Boolean)
    return cohort.with_table(cohort.table.with_columns(holds.cast(pl.Int8)))


def fracture_logits(
    logits: Floats, settings: ClassifierSettings, temperatures: Sequence[float]
) -> Floats:
    """Return the log odds of what the run judges, before they are divided by a temperature.

    That is a fracture of any kind, or the first class: see :func:`headline`.

    Parameters
    ----------
    logits
        (n, C).
    temperatures
        Of each class. Of classes of which one holds, probabilities are the softmax at the
        common temperature, and a reader computes the same.

    Returns
    -------
    (n,) logits: divided by :func:`fracture_temperature` their sigmoid is the probability.
    """
    classes = settings.classes
    if len(classes) == 1:
        return logits[:, 0]
    if one_of(settings):
        shares = softmax(logits / temperatures[0], axis=1)
        share = shares[:, _judged(settings)]
        odds = logit(np.clip(share, _TINY, 1 - _TINY)) * temperatures[0]
        return np.asarray(-odds if classes[_judged(settings)] == NO_FRACTURE else odds)
    if classes[_judged(settings)] != NO_FRACTURE:
        return logits[:, _judged(settings)]
    kinds = [number for number, name in enumerate(classes) if name != NO_FRACTURE]
    return np.asarray((logits / np.asarray(temperatures))[:, kinds].max(axis=1))


def _judged(settings: ClassifierSettings) -> int:
    """Return the number of 'fracture', else of 'no fracture', else of the first class."""
    named = [name for name in (FRACTURE, NO_FRACTURE) if name in settings.classes]
    return settings.classes.index(named[0]) if named else 0


def fracture_temperature(
    settings: ClassifierSettings, temperatures: Sequence[Temperature]
) -> Temperature:
    """Return what :func:`fracture_logits` are divided by."""
    classes = settings.classes
    if len(classes) == 1 or one_of(settings):
        return temperatures[0]
    if classes[_judged(settings)] != NO_FRACTURE:
        return temperatures[_judged(settings)]
    return temperatures[0].model_copy(update={"value": 1.0})  # each class had its own


@dataclass(frozen=True, eq=False)
class ClassDecision:
    """What was fitted for each of several classes; a point is None where it had but one side."""

    settings: ClassifierSettings
    temperatures: tuple[Temperature, ...]
    points: tuple[OperatingPoint | None, ...]

    def probabilities(self, logits: Floats) -> Floats:
        """Return (n, C) probabilities of (n, C) logits."""
        scaled = logits / np.array([each.value for each in self.temperatures])
        return np.asarray(softmax(scaled, axis=1) if one_of(self.settings) else expit(scaled))

    def table(self, rows: pl.DataFrame, logits: Floats) -> pl.DataFrame:
        """Return the scores of each class: as ``greenstick evaluate`` reads them."""
        names, scores = self.settings.classes, self.probabilities(logits)
        columns: dict[str, Any] = {}
        for number, (name, point) in enumerate(zip(names, self.points, strict=True)):
            columns[f"logit_{name}"] = logits[:, number]
            columns[f"score_{name}"] = scores[:, number]
            if point is not None:
                columns[f"decision_{name}"] = decide(scores[:, number], point)
        labels = class_labels(rows, self.settings)
        if one_of(self.settings):
            columns["label"] = np.array(names)[labels]
        else:
            columns |= {f"label_{name}": labels[:, i] for i, name in enumerate(names)}
        given = rows.drop("boxes", "split", "label")
        return given.with_columns(**{name: pl.Series(v) for name, v in columns.items()})


def decide_on_classes(
    rows: pl.DataFrame,
    logits: Floats,
    settings: ClassifierSettings,
    how: DecisionSection,
    **where: Any,
) -> ClassDecision:
    """Fit temperatures, then a threshold for each class against the rest.

    Parameters
    ----------
    rows
        Of the cohort.
    logits
        (n, C).
    where
        ``chosen_on``, ``repeat`` and ``fold``.
    """
    images = rows["image"].to_list()
    labels = class_labels(rows, settings)
    hot = np.eye(len(settings.classes), dtype=np.int64)[labels] if labels.ndim == 1 else labels
    if one_of(settings):
        shared = fit_softmax_temperature(
            logits, labels, fitted_on=where["chosen_on"], images=images
        )
        temperatures = (shared,) * len(settings.classes)
    else:
        temperatures = tuple(
            _temperature(logits[:, i], hot[:, i], where["chosen_on"], images)
            for i in range(len(settings.classes))
        )
    decision = ClassDecision(settings, temperatures, (None,) * len(temperatures))
    scores = decision.probabilities(logits)
    points = tuple(
        choose_operating_point(
            hot[:, i], scores[:, i], rule=how.rule, target=how.target, images=images, **where
        )
        if _both_sides(hot[:, i])
        else None
        for i in range(len(settings.classes))
    )
    return ClassDecision(settings, temperatures, points)


def _both_sides(labels: NDArray[np.int64]) -> bool:
    return bool(labels.any() and not labels.all())


def _temperature(
    logits: Floats, labels: NDArray[np.int64], where: str, images: list[str]
) -> Temperature:
    if not _both_sides(labels):
        return Temperature(value=1.0, fitted_on=f"nothing: {where} has but one side", n=0)
    return fit_temperature(logits, labels, fitted_on=where, images=images)


def fit_softmax_temperature(
    logits: ArrayLike, labels: ArrayLike, *, fitted_on: str, images: Sequence[str]
) -> Temperature:
    """Fit the temperature of least log loss of classes of which one holds (Guo et al. 2017).

    Parameters
    ----------
    logits
        (n, C).
    labels
        (n,) the number of each row's class.
    fitted_on, images
        Name of these rows, and of each.
    """
    values = np.asarray(logits, dtype=np.float64)
    label = np.asarray(labels, dtype=np.int64)

    def loss(slope: float) -> float:
        return -float(log_softmax(values * slope, axis=1)[np.arange(len(label)), label].mean())

    low, high = 1 / BOUNDS[1], 1 / BOUNDS[0]
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    slope = min((low, float(found.x), high), key=loss)
    return Temperature(
        value=1 / slope,
        fitted_on=fitted_on,
        n=len(label),
        at_bound=bool(np.isclose(slope, (low, high), rtol=1e-4).any()),
        images=sample_of(image_hashes(images)),
    )
