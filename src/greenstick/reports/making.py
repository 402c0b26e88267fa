"""How a run was made: its fits, and where every fitted number came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from greenstick.decision.calibration import Beta, Calibration, Isotonic, Platt, Temperature
from greenstick.decision.operating_points import OperatingPoint
from greenstick.reports.contents import CardCalibration, CardFacts, RunContents
from greenstick.reports.judged import fit_keys, kept_epoch
from greenstick.reports.wording import number

_ROW_NAMES = {"valid": "validation rows", "train": "training rows", "test": "test rows"}


@dataclass(frozen=True)
class Origin:
    """A fitted number and the rows that it was fitted on."""

    what: str
    value: str
    how: str
    rows: str
    n: str


def provenance(contents: RunContents) -> list[Origin]:
    """Return where thresholds, temperatures and weights come from."""
    evidence = contents.evidence
    origins = [_of_point(point) for point in evidence.operating_points]
    if evidence.calibrator is not None:
        origins.append(calibration_origin(evidence.calibrator))
    for name, card in contents.cards.items():
        one = card.calibration
        if evidence.calibrator is None and one is not None:
            origins.append(_of_temperature(name, one))
        origins.append(_of_model(name, card))
    return origins


def calibration_origin(calibration: Calibration) -> Origin:
    """Say what turned logits into probabilities, and on which rows it was fitted."""
    match calibration:
        case Temperature():
            what, value = "Temperature", number(calibration.value)
        case Platt():
            what = "Platt scaling"
            value = f"slope {number(calibration.slope)}, intercept {number(calibration.intercept)}"
        case Beta():
            what = "Beta calibration"
            value = ", ".join(number(one) for one in (calibration.a, calibration.b, calibration.c))
        case Isotonic():
            what, value = "Isotonic regression", f"{len(calibration.logits)} corners"
    how = "least squares" if isinstance(calibration, Isotonic) else "least log loss"
    return Origin(what, value, how, _rows(calibration.fitted_on), f"{calibration.n:,}")


def _of_temperature(name: str, one: CardCalibration) -> Origin:
    what = f"Temperature of {name}"
    return Origin(
        what, number(one.temperature), "least log loss", _rows(one.fitted_on), f"{one.n:,}"
    )


def _rows(name: str) -> str:
    return _ROW_NAMES.get(name, name)


def _of_point(point: OperatingPoint) -> Origin:
    place = [
        f"{key} {value}"
        for key, value in (("repeat", point.repeat), ("fold", point.fold))
        if value is not None
    ]
    what = "Threshold" + (f" ({', '.join(place)})" if place else "")
    how = point.rule if point.target is None else f"{point.rule}, target {point.target:g}"
    n = f"{point.n:,}" if point.n else "–"
    return Origin(what, number(point.threshold), how, _rows(point.chosen_on), n)


def _of_model(name: str, card: CardFacts) -> Origin:
    images = card.training_data.n_images
    return Origin(
        f"Weights of {name}",
        card.classifier.backbone,
        f"started from {card.weights_origin or 'unknown weights'}",
        _rows("train"),
        f"{images:,}" if images else "–",
    )


@dataclass(frozen=True)
class FitTimes:
    """One fit's course in one line."""

    name: str
    epochs: int
    kept_epoch: int | None
    kept_auroc: float | None
    seconds: float | None
    images_per_s: float | None


def fitting_times(history: pl.DataFrame | None) -> list[FitTimes]:
    """Return each fit's epochs, the validation AUROC of the kept one, time and speed."""
    if history is None or history.is_empty():
        return []
    keys = fit_keys(history)
    fits = history.partition_by(keys, maintain_order=True) if keys else [history]
    return [_fit_times(fit, keys) for fit in fits]


def _fit_times(fit: pl.DataFrame, keys: Sequence[str]) -> FitTimes:
    named = [f"{key} {fit[key][0]}" for key in keys]
    if not named and "model" in fit.columns:
        named = [str(fit["model"][0])]
    name = ", ".join(named) or "the one fit"
    kept = kept_epoch(fit)
    return FitTimes(
        name=name,
        epochs=fit.height,
        kept_epoch=None if kept.is_empty() else int(kept["epoch"][0]),
        kept_auroc=None if kept.is_empty() else float(kept["valid_auroc"][0]),
        seconds=_total(fit, "seconds"),
        images_per_s=_median(fit, "images_per_s"),
    )


def _total(fit: pl.DataFrame, column: str) -> float | None:
    return float(fit[column].sum()) if column in fit.columns else None


def _median(fit: pl.DataFrame, column: str) -> float | None:
    if column not in fit.columns or not fit[column].drop_nulls().len():
        return None
    return float(np.median(fit[column].drop_nulls().to_numpy()))
