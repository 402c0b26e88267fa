"""What a model says of the canvases of films: a classifier's network, or a detector by itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greenstick.decision.fusion import bounded_logits
from greenstick.errors import GreenstickError
from greenstick.models.card import CARD, Card, CardCalibration, read_card
from greenstick.models.detector_settings import DetectorCard, is_detector
from greenstick.models.settings import ClassifierSettings
from greenstick.radiographs.canvas import Placement
from greenstick.reading.boxes import BoxFinder
from greenstick.reading.pace import Pace, find_pace
from greenstick.reading.runtime import Device, Output, Runtime, network_in

#: Each film's canvas, and where it lies on it.
Films = Sequence[tuple[NDArray[np.uint8], Placement]]


class ClassifierScorer:
    """A classifier's network, compiled, with the mirror of each film where its card wants it.

    Parameters
    ----------
    folder
        The model's.
    digest
        Of the model, by which its pace is known again.
    threads
        How many it may use; 0: all cores.
    device
        What it runs on.
    tuned
        Whether to measure first how many images and threads a call is best given.

    Attributes
    ----------
    card
        How its scores are judged.
    films
        How many it is best given at once.
    """

    def __init__(
        self, folder: Path, digest: str, *, threads: int, device: Device, tuned: bool
    ) -> None:
        self.card = read_card(folder)
        network, px = network_in(folder), self.card.canvas_px
        how: dict[str, Any] = {"device": device, "precision": self.card.precision}
        outputs = ("logits", "maps")
        pace = Pace(threads=threads)
        if tuned:
            pace = find_pace(network, digest, px, threads=threads, **how)
        self._runtime = Runtime(
            network, px, batch=pace.images, threads=pace.threads, gives=outputs, **how
        )
        self._views, self._a_call = 2 if self.card.flip_average else 1, pace.images
        self.films = max(1, pace.images // self._views)

    def score(self, films: Films) -> list[Output]:
        """Return the network's output for each film, and its mirror where wanted."""
        if not films:
            return []
        px, views = self.card.canvas_px, self._views
        calls = -(-len(films) * views // self._a_call)
        images = np.zeros((calls * self._a_call, 1, px, px), np.float32)
        for film, (canvas, _) in enumerate(films):
            first = film * views
            np.multiply(canvas, np.float32(1 / 255.0), out=images[first, 0])
            images[first + 1 : first + views, 0] = images[first, 0, :, ::-1]
        output = Output.join([self._runtime(part) for part in np.split(images, calls)])
        return [output.part(n * views, (n + 1) * views) for n in range(len(films))]


class DetectorScorer:
    """A detector in the place of a classifier: its best box's score is its answer on a film.

    Parameters
    ----------
    folder
        The detector's.
    threads
        How many it may use; 0: all cores.
    device
        Detectors run on the CPU.

    Attributes
    ----------
    card, films
        As a classifier's.
    finder
        Finds its boxes.

    Raises
    ------
    GreenstickError
        Where the detector has no answer, or is to run elsewhere.
    """

    films = 1

    def __init__(self, folder: Path, *, threads: int, device: Device) -> None:
        self.finder = BoxFinder(folder, threads=threads)
        self.card = _judged_as(self.finder.card)
        if device != "cpu":
            raise GreenstickError(
                f"{folder} is a detector, and detectors do not run on {device!r}.",
                remedy="Leave --device out.",
            )

    def score(self, films: Films) -> list[Output]:
        """Return the boxes on each film, and the logit that becomes of the best one's score."""
        return [self._score(*film) for film in films]

    def _score(self, canvas: NDArray[np.uint8], placement: Placement) -> Output:
        # Beside the film is nothing, whatever the network says of the canvas there.
        found, look = self.finder.find(canvas, placement.original_size_px)
        answer = self.finder.card.answer
        assert answer is not None
        best = bounded_logits([found.scores.max(initial=0.0)])
        logits = (answer.slope * best + answer.intercept).astype(np.float32)[None]
        return Output(logits, np.zeros((1, 1, 0, 0), np.float32), look=look, found=found)


def scorer_of(
    folder: Path,
    digest: str,
    *,
    boxes_from: Path | str | None = None,
    threads: int = 0,
    device: Device = "cpu",
    tuned: bool = False,
) -> ClassifierScorer | DetectorScorer:
    """Return what scores films with the model in a folder.

    Raises
    ------
    GreenstickError
        Where the folder holds no model that can answer, or a detector is given a second one.
    """
    if not is_detector(folder / CARD):
        return ClassifierScorer(folder, digest, threads=threads, device=device, tuned=tuned)
    if boxes_from is not None:
        raise GreenstickError(
            f"{folder} is a detector itself, and shows its own boxes.",
            remedy="Leave --boxes-from out, or give a classifier with --model.",
        )
    return DetectorScorer(folder, threads=threads, device=device)


def _judged_as(card: DetectorCard) -> Card:
    """Return the card by which a detector's answers are judged, as a classifier's are."""
    answer = card.answer
    if answer is None:
        raise GreenstickError(
            f"The detector {card.name!r} points at fractures, and cannot tell that there is none: "
            "its scores were never held against images without a fracture.",
            remedy="Fit it on some: greenstick detector calibrate COHORT --model FOLDER. Or give "
            "it with --boxes-from beside a classifier; its boxes alone are found by 'greenstick "
            "detector find'.",
        )
    return Card(
        name=card.name,
        classifier=ClassifierSettings(backbone=card.detector.backbone),
        canvas_px=card.canvas_px,
        # The logits that are judged are calibrated already.
        calibration=CardCalibration(fitted_on=answer.fitted_on, n=answer.n),
        operating_points=answer.operating_points,
        training_data=card.training_data,
        license=card.license,
    )
