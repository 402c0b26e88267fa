"""Films of a drawn patient, each with its known truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from greenstick.errors import GreenstickError
from greenstick.radiographs.phantom.film import Technique, depth_in_field, expose, noise_of
from greenstick.radiographs.phantom.marks import stamp
from greenstick.radiographs.phantom.patient import Patient, Pose, plan_patient
from greenstick.radiographs.phantom.rays import Break, attenuation
from greenstick.radiographs.phantom.solids import Floats, Grid

SIZE_PX = 512
SMALLEST_PX = 128
_BOX_MARGIN_MM = 1.5


@dataclass(frozen=True, eq=False)
class Drawing:
    """One film of a drawn patient.

    Attributes
    ----------
    pixels
        float32 (height, width) in [0, 1], in steps of 1/255; bone is bright.
    label
        1 where a bone is broken, else 0.
    fracture_type
        One of :data:`~greenstick.radiographs.phantom.fractures.KINDS`, or None.
    boxes
        float64 (n, 4): x, y, width, height of each break in pixels.
    body_part, view, laterality
        What is shown.
    exposure
        "normal", "under" or "over".
    hardware, child
        Whether there is metal; whether growth plates are open.
    visibility
        In [0, 1): the break's contrast c over the film's noise, as c / (c + 3); None without one.
    """

    pixels: NDArray[np.float32]
    label: int
    fracture_type: str | None
    boxes: NDArray[np.float64]
    body_part: str
    view: str
    laterality: str
    exposure: str = "normal"
    hardware: bool = False
    child: bool = False
    visibility: float | None = None


def draw_patient(
    seed: int,
    index: int = 0,
    *,
    fractured: bool | None = None,
    body_part: str | None = None,
    size_px: int = SIZE_PX,
) -> list[Drawing]:
    """Draw the films of one patient.

    Parameters
    ----------
    seed, index
        Which patient: the same pair gives the same films, on any machine.
    fractured
        Whether a bone is broken; None leaves it to chance, four in ten. All else, the noise
        included, is the same with and without.
    body_part
        One of :data:`~greenstick.radiographs.phantom.BODY_PARTS`; None leaves it to chance.
    size_px
        Longer side of the films.

    Returns
    -------
    One drawing a film, one to three.

    Raises
    ------
    GreenstickError
        Where ``size_px`` is below 128, a number is negative or the body part is not known.
    """
    check_size(size_px)
    patient = plan_patient(seed, index, fractured=fractured, body_part=body_part)
    return [draw_film(patient, pose, size_px) for pose in patient.poses]


def check_size(size_px: int) -> None:
    """Refuse films on which nothing could be seen."""
    if size_px < SMALLEST_PX:
        raise GreenstickError(
            f"A film of {size_px} pixels is too small to show a fracture.",
            remedy=f"Use at least {SMALLEST_PX} pixels.",
        )


def draw_film(patient: Patient, pose: Pose, size_px: int = SIZE_PX) -> Drawing:
    """Draw one film of a planned patient, ``size_px`` long."""
    film_mm = patient.region.field_mm
    px_per_mm = size_px / max(film_mm)
    grid = Grid((round(film_mm[1] * px_per_mm), round(film_mm[0] * px_per_mm)), px_per_mm)
    rng = np.random.default_rng(pose.noise)
    total, breaks = attenuation(patient, patient.view(pose, film_mm), grid, rng)
    boxes, visibility = _truth(breaks, total, pose.technique, grid)
    pixels = expose(total, pose.technique, rng)
    stamp(pixels, max(1, round(size_px / 512)))
    return Drawing(
        pixels=(np.rint(pixels * 255.0) / 255.0).astype(np.float32),
        label=int(bool(patient.fractures)),
        fracture_type=patient.fractures[0].kind if patient.fractures else None,
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        body_part=patient.body_part,
        view=pose.view,
        laterality=patient.laterality,
        exposure=pose.technique.exposure,
        hardware=bool(patient.metal),
        child=patient.person.child,
        visibility=max(visibility, default=None),
    )


def _truth(
    breaks: list[Break], total: Floats, technique: Technique, grid: Grid
) -> tuple[list[list[float]], list[float]]:
    """Return the box of each break, and how well each stands out of the film's noise."""
    if not breaks:
        return [], []
    seen = depth_in_field(technique, grid.shape) > 0
    noise = noise_of(total, technique)
    boxes = [_box(part.points, grid, seen) for part in breaks]
    return boxes, [_visibility(p, b, noise) for p, b in zip(breaks, boxes, strict=True)]


def _box(points: Floats, grid: Grid, seen: NDArray[np.bool_]) -> list[float]:
    """Return the box in whole pixels around a break, as far as it is within the field."""
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    first = np.array([columns[0], rows[0]])
    last = np.array([columns[-1] + 1, rows[-1] + 1])
    margin = _BOX_MARGIN_MM
    low = np.clip(np.floor((points.min(axis=0) - margin) * grid.px_per_mm), first, last - 4)
    high = np.clip(np.ceil((points.max(axis=0) + margin) * grid.px_per_mm), low + 4, last)
    return [*low.tolist(), *(high - low).tolist()]


def _visibility(part: Break, box: list[float], noise: Floats) -> float:
    """Return the break's contrast over the film's noise within its box, squashed to [0, 1)."""
    rows, columns = part.window
    x, y, width, height = (int(value) for value in box)
    inside = (
        slice(max(0, y - rows.start), max(0, y + height - rows.start)),
        slice(max(0, x - columns.start), max(0, x + width - columns.start)),
    )
    change = ndimage.gaussian_filter(part.change, 0.8)[inside]
    if change.size == 0:
        return 0.0
    level = noise[y : y + height, x : x + width].mean()
    contrast = float(np.percentile(np.abs(change), 95) / level)
    return contrast / (contrast + 3.0)
