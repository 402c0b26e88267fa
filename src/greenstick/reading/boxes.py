"""A detector's boxes on films that are read, and what of them goes with the decision."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.models.card import NETWORK
from greenstick.models.detector_settings import DetectorCard, manner_of, read_detector_card
from greenstick.models.finding import Floats, Network, find_on, on_original
from greenstick.radiographs.canvas import place
from greenstick.reading.results import Box, Decision
from greenstick.reading.runtime import Runtime

#: No more boxes are shown of a film; the surest are kept.
_SHOWN = 10
_NO_BOX = "No box of the detector reaches its confidence; the heat map shows what speaks for it."


@dataclass(frozen=True)
class Found:
    """What a detector finds on a film.

    Attributes
    ----------
    boxes
        Those that reach its confidence, the surest first.
    best
        Score of the surest box, shown or not; 0 where there is none.
    """

    boxes: tuple[Box, ...]
    best: float


class BoxFinder:
    """A detector as a reader uses it: compiled, from which score on its card says.

    Parameters
    ----------
    folder
        A detector's folder, with ``card.json`` and ``model.onnx``.
    threads
        How many it may use; 0: all cores.

    Attributes
    ----------
    confidence, chosen_on
        From which score on a box is shown, and on which images that was chosen.

    Raises
    ------
    GreenstickError
        Where the folder holds no detector, or one without a confidence.
    """

    def __init__(self, folder: Path | str, *, threads: int = 0) -> None:
        self.folder = Path(folder)
        self.card = read_detector_card(self.folder)
        if not self.card.operating_points:
            raise GreenstickError(
                f"The detector {self.card.name!r} has no confidence from which a box is shown.",
                remedy="Train it with 'greenstick detector train', which chooses one.",
            )
        point = self.card.operating_points[0]
        self.confidence, self.chosen_on = point.threshold, point.chosen_on
        self._manner = replace(manner_of(self.card), across=True)  # one class a place
        self._network = compiled(self.folder, self.card, threads=threads)

    def __call__(self, canvas: NDArray[np.uint8], original_size_px: tuple[int, int]) -> Found:
        """Find boxes on a film's canvas, (S, S), in pixels of the original."""
        (merged,) = find_on(canvas[None], self._network, self._manner)
        found = on_original(merged, place(original_size_px, self.card.canvas_px))
        sure = found.take(found.scores >= self.confidence)
        each = zip(sure.corners[:_SHOWN], sure.scores, sure.classes, strict=False)
        return Found(
            tuple(self._box(corners, score, kind) for corners, score, kind in each),
            round(float(found.scores.max(initial=0.0)), 4),
        )

    def _box(self, corners: Floats, score: float, kind: int) -> Box:
        left, top, right, bottom = (round(float(edge), 1) for edge in corners)
        classes = self.card.detector.classes
        return Box(
            x=left,
            y=top,
            width=round(right - left, 1),
            height=round(bottom - top, 1),
            probability=round(float(score), 4),
            class_name=classes[kind] if len(classes) > 1 else None,
        )


def compiled(folder: Path, card: DetectorCard, *, threads: int = 0) -> Network:
    """Return a detector's network as OpenVINO runs it, one image at a time.

    Parameters
    ----------
    folder, card
        The detector's.
    threads
        How many it may use; 0: all cores.

    Raises
    ------
    GreenstickError
        Where the folder holds no network that can be run.
    """
    runtime = Runtime(folder / NETWORK, card.seen_px, threads=threads)

    def network(images: NDArray[np.float32]) -> tuple[Floats, Floats]:
        each = [runtime.values(images[i : i + 1]) for i in range(len(images))]
        boxes, logits = (np.concatenate([one[n] for one in each]) for n in ("boxes", "logits"))
        # A network of one class may leave its axis out.
        return boxes, logits.reshape(*boxes.shape[:2], -1)

    return network


def agreeing(decision: Decision | None, found: Found) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Return the boxes that a film's decision allows, and what a reader of it should know.

    A film without a fracture has no boxes. One with a fracture on which no box is sure enough says
    so. What is in doubt keeps its boxes, and stays in doubt.
    """
    if decision == "no fracture":
        return (), ()
    if decision == "fracture" and not found.boxes:
        return (), (_NO_BOX,)
    return found.boxes, ()
