"""A detector's boxes on films that are read, and what of them goes with the decision."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.explanation.activation_maps import Heatmap
from greenstick.explanation.regions import regions
from greenstick.models.detector_settings import DetectorCard, manner_of, read_detector_card
from greenstick.models.finding import Floats, Network, Said, find_on, on_original
from greenstick.models.merging import Merged
from greenstick.radiographs.canvas import place
from greenstick.reading.results import Box, Decision
from greenstick.reading.runtime import Runtime, network_in

#: No more boxes are shown of a film; the surest are kept.
_SHOWN = 10
_NO_BOX = "No box of the detector reaches its confidence; the heat map shows what speaks for it."
_SUREST = "No box reaches the detector's confidence; the surest one is shown."


@dataclass(frozen=True)
class Found:
    """What a detector finds on a film.

    Attributes
    ----------
    boxes
        Those that reach its confidence, the surest first.
    surest
        The surest box, whatever its score; None where there is none.
    """

    boxes: tuple[Box, ...]
    surest: Box | None = None

    @property
    def best(self) -> float:
        """Score of the surest box, shown or not; 0 where there is none."""
        return 0.0 if self.surest is None else self.surest.probability


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
        return self.shown(self.find(canvas, original_size_px)[0])

    def find(
        self, canvas: NDArray[np.uint8], original_size_px: tuple[int, int]
    ) -> tuple[Merged, NDArray[np.float32] | None]:
        """Find all boxes on a film's canvas, (S, S), in pixels of the original.

        Returns
        -------
        merged
            The boxes.
        look
            float32 (1, D): how the film looks to the detector; None where it does not say.
        """
        seen = find_on(canvas[None], self._network, self._manner)
        look = None if seen.looks is None else np.asarray(seen.looks, np.float32)
        return on_original(seen.merged[0], place(original_size_px, self.card.canvas_px)), look

    def shown(self, found: Merged) -> Found:
        """Return what is shown of the boxes on a film."""
        each = zip(found.corners[:_SHOWN], found.scores, found.classes, strict=False)
        boxes = [self._box(corners, score, kind) for corners, score, kind in each]
        reach = int((found.scores >= self.confidence).sum())
        return Found(tuple(boxes[:reach]), boxes[0] if boxes else None)

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
    runtime = Runtime(
        network_in(folder),
        card.seen_px,
        threads=threads,
        precision=card.precision,
        gives=("boxes", "logits"),
    )

    def network(images: NDArray[np.float32]) -> Said:
        each = [runtime.values(images[i : i + 1]) for i in range(len(images))]
        said = {name: np.concatenate([one[name] for one in each]) for name in runtime.outputs}
        # A network of one class may leave its axis out.
        logits = said["logits"].reshape(*said["boxes"].shape[:2], -1)
        return Said(said["boxes"], logits, said.get("look"))

    return network


def agreeing(
    decision: Decision | None, found: Found, *, alone: bool = False
) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Return the boxes that a film's decision allows, and what a reader of it should know.

    A film without a fracture has no boxes. One with a fracture on which no box is sure enough says
    so. What is in doubt keeps its boxes, and stays in doubt. Where the detector answers ``alone``
    its surest box is what the answer comes from, and is shown.
    """
    if decision == "no fracture":
        return (), ()
    if alone and decision is not None and not found.boxes and found.surest is not None:
        return (found.surest,), (_SUREST,)
    if decision == "fracture" and not found.boxes:
        return (), () if alone else (_NO_BOX,)
    return found.boxes, ()


def hot_boxes(
    decision: Decision | None,
    heat: Heatmap,
    threshold: float | None,
    sides: tuple[float, float] | None,
) -> tuple[Box, ...]:
    """Return the boxes around what reaches the threshold on a heat map, the hottest first.

    A film without a fracture has none: where one part reaches the threshold, the whole outweighs
    it.
    """
    if threshold is None or decision == "no fracture":
        return ()
    return tuple(
        Box(
            x=round(found.x, 1),
            y=round(found.y, 1),
            width=round(found.width, 1),
            height=round(found.height, 1),
            probability=round(found.probability, 4),
        )
        for found in regions(heat, threshold, sides=sides)
    )
