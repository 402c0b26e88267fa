"""Where a model looks on a film: a detector says it, and its boxes become squares."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.files import copy_whole
from greenstick.models.card import CARD, Card, CardRegion
from greenstick.radiographs.region import Region, square_around, whole_of
from greenstick.reading.boxes import BoxFinder
from greenstick.reading.runtime import copy_network

#: In a model's folder: the detector of its region.
REGION = "region"
#: In place of a detector: films that are cut to the region already.
IS_IMAGE = "image"


@dataclass(frozen=True)
class Located:
    """Where to look on a film.

    Attributes
    ----------
    region
        In pixels of the original; None where nothing was found, and the film is not to be read.
    note
        What a reader of the answer should know of it.
    score
        Of the detector's box; 0 where there is none.
    """

    region: Region | None
    note: str = ""
    score: float = 0.0


class RegionFinder:
    """A detector that says where to look.

    Parameters
    ----------
    folder
        The detector's.
    wanted
        Which of its boxes, and what becomes of them.
    threads
        How many it may use; 0: all cores.

    Attributes
    ----------
    canvas_px
        Side of the canvas that it looks at.
    name
        The detector's.

    Raises
    ------
    GreenstickError
        Where the folder holds no detector, or one that does not know the class.
    """

    def __init__(self, folder: Path | str, wanted: CardRegion, *, threads: int = 0) -> None:
        self._finder = BoxFinder(folder, threads=threads)
        self._wanted = wanted
        self.canvas_px, self.name = self._finder.card.canvas_px, self._finder.card.name
        classes = self._finder.card.detector.classes
        if wanted.class_name and wanted.class_name not in classes:
            raise GreenstickError(
                f"The detector {self.name!r} knows no class {wanted.class_name!r}.",
                remedy=f"It knows {', '.join(classes)}; or leave region.class_name empty.",
            )
        # A detector of one class does not name it on its boxes.
        self._class = wanted.class_name if len(classes) > 1 else ""

    def __call__(self, canvas: NDArray[np.uint8], original_size_px: tuple[int, int]) -> Located:
        """Say where to look, from a film's canvas of the detector's side."""
        found = self._finder(canvas, original_size_px).boxes
        boxes = [box for box in found if self._class in ("", box.class_name)]
        if not boxes:
            return nothing_found(self._wanted, original_size_px)
        best = boxes[0]
        region = square_around(
            (best.x, best.y, best.width, best.height), original_size_px, margin=self._wanted.margin
        )
        note = looked_at(region, original_size_px)
        if len(boxes) > 1:
            note += f" The detector finds {len(boxes)} such parts, and this is the surest."
        return Located(region, note, best.probability)


def nothing_found(wanted: CardRegion, original_size_px: tuple[int, int]) -> Located:
    """Return what becomes of a film on which there is no region."""
    if wanted.unfound == "not read":
        return Located(None)
    return Located(
        whole_of(original_size_px),
        "The part to be looked at was not found: all of the image was looked at instead.",
    )


def looked_at(region: Region, original_size_px: tuple[int, int]) -> str:
    """Return what a reader should know where not all of a film was looked at."""
    if region == whole_of(original_size_px):
        return ""
    return (
        f"Only {region.width} x {region.height} px from ({region.x}, {region.y}) were looked at; "
        "nothing is said of what lies outside."
    )


def region_finder(
    folder: Path, card: Card, given: Path | str | None, *, threads: int = 0
) -> RegionFinder | None:
    """Return what finds a model's region; None where it looks at all of each image.

    Parameters
    ----------
    folder, card
        The model's.
    given
        A detector's folder in place of its own, or :data:`IS_IMAGE`; None: its own.

    Raises
    ------
    GreenstickError
        Where it needs a detector and has none, or has no use for one.
    """
    if card.region is None:
        if given is not None:
            raise GreenstickError(
                f"The model {card.name!r} looks at whole images.", remedy="Leave --region-from out."
            )
        return None
    if given == IS_IMAGE:
        return None
    if given is None and not card.region.detector:
        raise GreenstickError(
            f"The model {card.name!r} looks at a part of each image that its cohort told, and "
            "brings no detector to find it.",
            remedy="Give one with --region-from FOLDER; or, where the images are cut to that part "
            f"already, --region-from {IS_IMAGE}.",
        )
    return RegionFinder(folder / REGION if given is None else given, card.region, threads=threads)


def copy_region(detector: Path, target: Path) -> None:
    """Copy what finding a region needs into a model's folder; nothing where there is none."""
    if not (detector / CARD).is_file():
        return
    copy_network(detector, target / REGION)
    copy_whole(detector / CARD, target / REGION / CARD)
