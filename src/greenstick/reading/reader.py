"""A model that reads files: opened, guarded, fitted, scored, calibrated, decided."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from greenstick.decision.calibration import Temperature
from greenstick.decision.operating_points import OperatingPoint, decide
from greenstick.errors import GreenstickError
from greenstick.explanation.activation_maps import Heatmap, heatmap
from greenstick.models.card import CARD, NETWORK, Card, read_card
from greenstick.radiographs.canvas import Placement, fit
from greenstick.radiographs.opening import open_radiograph
from greenstick.reading.ahead import in_order
from greenstick.reading.guard import guard, refusal
from greenstick.reading.results import Reading
from greenstick.reading.runtime import Output, Runtime


@dataclass(frozen=True, eq=False)
class Examination:
    """A reading with what a picture of it needs.

    Attributes
    ----------
    reading
        What the model says, or why it says nothing.
    pixels
        The radiograph as decoded, float32 of shape (height, width), perhaps reduced; None where it
        was not read.
    heat
        The heat map; None where it was not read.
    """

    reading: Reading
    pixels: NDArray[np.float32] | None = None
    heat: Heatmap | None = None


@dataclass(frozen=True, eq=False)
class _Prepared:
    path: Path
    seconds: float
    reason: str = ""
    pixels: NDArray[np.float32] | None = None
    canvas: NDArray[np.uint8] | None = None
    placement: Placement | None = None


class Reader:
    """Reads radiographs with one model, exactly as it was tested. Research use only.

    Parameters
    ----------
    folder
        A model folder (with ``card.json`` and ``model.onnx``), or a run folder that holds one.
    threads
        How many may decode, and compute; 0: all cores.

    Raises
    ------
    GreenstickError
        Where the folder holds no model, or several, or none that tells fractures.
    """

    def __init__(self, folder: Path | str, *, threads: int = 0) -> None:
        self.folder = find_model(Path(folder))
        self.card = read_card(self.folder)
        self._fracture = _fracture_class(self.card)
        self.threads = threads or os.cpu_count() or 1
        self._flips = 2 if self.card.flip_average else 1
        self._runtime = Runtime(
            self.folder / NETWORK, self.card.canvas_px, batch=self._flips, threads=threads
        )
        self._temperature = _temperature(self.card)
        self._point = _operating_point(self.card)

    def __call__(self, path: Path | str) -> Reading:
        """Read one file. Never raises because of what the file is: its reading says so."""
        return next(self.read_many([path]))

    def read_many(self, paths: Iterable[Path | str]) -> Iterator[Reading]:
        """Read files: one reading each, in their order. A file that cannot be read stops nothing.

        Some files ahead are decoded in threads while the network computes; memory does not grow
        with the number of files, and ``paths`` may be endless.
        """
        return (examination.reading for examination in self.examine(paths))

    def examine(self, paths: Iterable[Path | str]) -> Iterator[Examination]:
        """Read files as :meth:`read_many` does, with pixels and heat map for a picture."""
        prepared = in_order(
            self._prepare, map(Path, paths), threads=self.threads, name="greenstick-decode"
        )
        return map(self._conclude, prepared)

    def facts(self) -> dict[str, Any]:
        """Return what a list of readings should say of its model; plain values."""
        point, calibration = self._point, self.card.calibration
        return {
            "name": self.card.name,
            "backbone": self.card.backbone,
            "canvas_px": self.card.canvas_px,
            "flip_average": self.card.flip_average,
            "temperature": self._temperature.value,
            "temperature_fitted_on": calibration.fitted_on if calibration else "",
            "threshold": point.threshold if point else None,
            "threshold_rule": point.rule if point else "",
            "threshold_chosen_on": point.chosen_on if point else "",
            "digest": self.digest(),
        }

    def digest(self) -> str:
        """Return a digest of the network and its card: equal digests, equal readings."""
        digest = hashlib.blake2b(digest_size=16)
        for name in (NETWORK, CARD):
            digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()

    def _prepare(self, path: Path) -> _Prepared:
        start = perf_counter()
        try:
            radiograph = open_radiograph(path, at_least_px=self.card.canvas_px)
        except GreenstickError as error:
            return _Prepared(path, perf_counter() - start, error.message)
        except (OSError, MemoryError) as error:  # gone meanwhile; too large for this machine
            return _Prepared(path, perf_counter() - start, f"It failed: {type(error).__name__}.")
        refused = refusal(guard(radiograph))
        if refused is not None:
            return _Prepared(path, perf_counter() - start, f"{path.name}: {refused.message}")
        canvas, placement = fit(radiograph, self.card.canvas_px)
        seconds = perf_counter() - start
        return _Prepared(path, seconds, "", radiograph.pixels, canvas, placement)

    def _conclude(self, prepared: _Prepared) -> Examination:
        if prepared.canvas is None or prepared.placement is None:
            return Examination(_not_read(prepared, self.card.name))
        start = perf_counter()
        output = self._score(prepared.canvas)
        probability = float(self._temperature.apply(output.logits)[0])
        heat = heatmap(output.maps[0], prepared.placement, temperature=self._temperature.value)
        x, y = heat.peak
        width, height = prepared.placement.original_size_px
        point = self._point
        fractured = None if point is None else bool(decide(probability, point))
        reading = Reading(
            path=str(prepared.path),
            status="read",
            probability=probability,
            decision=None if fractured is None else "fracture" if fractured else "no fracture",
            threshold=None if point is None else point.threshold,
            model=self.card.name,
            peak_x=round(x, 1),
            peak_y=round(y, 1),
            width=width,
            height=height,
            seconds=round(prepared.seconds + perf_counter() - start, 4),
        )
        return Examination(reading, prepared.pixels, heat)

    def _score(self, canvas: NDArray[np.uint8]) -> Output:
        """Return the fracture logit, (1,), and its map, (1, h, w), flip-averaged where wanted."""
        image = canvas.astype(np.float32)[None] / np.float32(255.0)
        both = (image, image[..., ::-1])[: self._flips]
        output = self._runtime(np.ascontiguousarray(np.stack(both)))
        logits = self._one_logit(output.logits.mean(axis=0))
        maps = output.maps[0]
        if self._flips == 2:
            maps = (maps + output.maps[1, ..., ::-1]) / 2.0
        return Output(logits[None], self._one_logit(maps)[None])

    def _one_logit(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn class logits, (C, ...), into the log odds of a fracture, at the temperature."""
        if len(logits) == 1 or self.card.classifier.outputs == "any-of":
            return np.asarray(logits[self._fracture])
        scaled = np.moveaxis(logits, 0, -1) / self._temperature.value
        shifted = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        share = (shifted / shifted.sum(axis=-1, keepdims=True))[..., self._fracture]
        return np.asarray(logit(np.clip(share, 1e-7, 1 - 1e-7)) * self._temperature.value)


def find_model(folder: Path) -> Path:
    """Return the model folder that a model or run folder means.

    Raises
    ------
    GreenstickError
        Where there is none, or more than one.
    """
    if (folder / CARD).is_file():
        return folder
    models = sorted(card.parent for card in folder.glob(f"models/*/{CARD}"))
    if len(models) == 1:
        return models[0]
    joint = folder / "models" / "ensemble"  # what all folds or seeds of an experiment make together
    if joint in models:
        return joint
    if not models:
        raise GreenstickError(
            f"There is no model in {folder}.",
            remedy="Give a finished run folder, or a folder with model.onnx and card.json.",
        )
    raise GreenstickError(
        f"{folder} holds {len(models)} models.", remedy=f"Give one of them, e.g. {models[0]}."
    )


def _fracture_class(card: Card) -> int:
    if len(card.classes) == 1:
        return 0
    if "fracture" in card.classes:
        return card.classes.index("fracture")
    raise GreenstickError(
        f"The model {card.name!r} has the classes {', '.join(card.classes)}: none is 'fracture'.",
        remedy="Give a model with the one class, or a class, 'fracture'.",
    )


def _temperature(card: Card) -> Temperature:
    calibration = card.calibration
    if calibration is None:
        return Temperature(value=1.0, fitted_on="nothing: not calibrated", n=0)
    return Temperature(
        value=card.temperature_of(card.classes[_fracture_class(card)]),
        fitted_on=calibration.fitted_on,
        n=calibration.n,
    )


def _operating_point(card: Card) -> OperatingPoint | None:
    fracture = card.classes[_fracture_class(card)]
    points = [point for point in card.operating_points if point.class_name in ("", fracture)]
    if not points:
        return None
    first = points[0]
    return OperatingPoint.model_validate(
        {name: getattr(first, name) for name in ("threshold", "rule", "chosen_on", "n")}
    )


def _not_read(prepared: _Prepared, model: str) -> Reading:
    return Reading(
        path=str(prepared.path),
        status="not read",
        reason=prepared.reason,
        model=model,
        seconds=round(prepared.seconds, 4),
    )
