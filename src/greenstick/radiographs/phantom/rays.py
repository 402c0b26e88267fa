"""What each ray passes through: flesh, air, bone with its breaks, and metal."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from greenstick.radiographs.phantom.breaks import Broken, Fragment, break_bone, whole
from greenstick.radiographs.phantom.film import (
    MU_BONE,
    MU_FAT,
    MU_METAL,
    MU_MUSCLE,
    enlarge,
)
from greenstick.radiographs.phantom.patient import Canal, Patient
from greenstick.radiographs.phantom.solids import (
    Bone,
    Floats,
    Grid,
    Shadow,
    Singles,
    View,
    Window,
    half_chords,
    project,
)

_TILE = 512  # side of the texture of spongy bone, which repeats over the film
_PLATE_MM = 1.1  # half the thickness of an open growth plate in a grown person's size


@dataclass(frozen=True, eq=False)
class Break:
    """A break as one film sees it.

    Attributes
    ----------
    points
        (n, 2): points on the film, mm, that it spans.
    window
        Rows and columns of the film that hold the bone.
    change
        Attenuation that the break adds or takes away, in the window's shape.
    """

    points: Floats
    window: Window
    change: Singles


def attenuation(
    patient: Patient, view: View, grid: Grid, rng: np.random.Generator
) -> tuple[Floats, list[Break]]:
    """Return the integral of the attenuation along each ray, (height, width), and the breaks."""
    texture = _texture(grid, rng)
    total = _flesh(patient, view, grid, rng)
    breaks = []
    for number, bone in enumerate(patient.region.bones):
        shadows = [project(tube, view) for tube in bone.tubes]
        canals = [canal for canal in patient.canals if canal.bone == number]
        scene = _Scene(bone, patient, view, grid, texture, tuple(canals))
        fractures = [f for f in patient.fractures if f.bone == number]
        broken = [break_bone(shadows, f, view, grid.px_per_mm) for f in fractures]
        shape = broken[0] if broken else whole(shadows)
        window = grid.window([s for part in shape.fragments for s in part.shadows])
        mineral = scene.mineral(shape, window)
        total[window] += MU_BONE * patient.person.density * mineral
        if broken:
            change = mineral - scene.mineral(whole(shadows), window)
            breaks.append(Break(shape.edge, window, MU_BONE * patient.person.density * change))
    for tube in patient.metal:
        shadow = project(tube, view)
        window = grid.window([shadow])
        total[window] += 2 * MU_METAL * half_chords([shadow], grid, window)[0]
    return total, breaks


def _flesh(patient: Patient, view: View, grid: Grid, rng: np.random.Generator) -> Floats:
    everywhere = (slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    skin, muscle = half_chords([project(t, view) for t in patient.region.flesh], grid, everywhere)
    fat = skin - muscle
    if patient.region.air:
        shadows = [project(tube, view) for tube in patient.region.air]
        lung = half_chords(shadows, grid, everywhere)[0]
        muscle -= np.minimum(0.75 * lung, 0.9 * muscle)
    # Muscle bellies and the fat between them: slow mottling.
    blocks = rng.standard_normal((-(-grid.shape[0] // 16), -(-grid.shape[1] // 16)))
    bellies = ndimage.gaussian_filter(blocks, (3.0, 1.6), mode="nearest")
    muscle *= enlarge(1.0 + 0.14 * bellies, grid.shape)
    # In double precision from here on: exponentials in single precision differ by machine.
    total: Floats = (2 * (MU_FAT * fat + MU_MUSCLE * muscle)).astype(np.float64)
    return total


@lru_cache(maxsize=1)
def _tile() -> Singles:
    """Texture of spongy bone: struts that run mostly along the limb, mean 0, deviation 1."""
    noise = np.random.default_rng(20).standard_normal((_TILE, _TILE))
    fine = ndimage.gaussian_filter(noise, (1.7, 0.7), mode="wrap")
    fine -= ndimage.gaussian_filter(noise, (5.0, 3.0), mode="wrap")
    coarse = ndimage.gaussian_filter(np.roll(noise, 71), (7.0, 5.0), mode="wrap")
    tile: Singles = (fine / fine.std() + 0.5 * coarse / coarse.std()).astype(np.float32)
    return tile


def _texture(grid: Grid, rng: np.random.Generator) -> Singles:
    rows, columns = ((int(rng.integers(_TILE)) + np.arange(size)) % _TILE for size in grid.shape)
    texture: Singles = _tile()[np.ix_(rows, columns)]
    return texture


@dataclass(frozen=True, eq=False)
class _Scene:
    """One bone on one film."""

    bone: Bone
    patient: Patient
    view: View
    grid: Grid
    texture: Singles
    canals: tuple[Canal, ...]

    def mineral(self, broken: Broken, window: Window) -> Singles:
        """Return mm of compact bone on each ray, in the window's shape."""
        total = np.zeros(self.texture[window].shape, np.float32)
        for fragment in broken.fragments:
            total += self._fragment(fragment, window)
        return total

    def _fragment(self, fragment: Fragment, window: Window) -> Singles:
        outside, inside = half_chords(fragment.shadows, self.grid, window)
        axis = fragment.shadows[0]
        along, across = self.grid.coordinates(axis, window)
        outside, inside = (_between(fragment, along, across, half) for half in (outside, inside))
        at = along / axis.length
        low, high = self.bone.spongy
        # Spongy bone fills the ends; in the shaft there is marrow and little else.
        end = np.clip((np.abs(2 * at - 1) - 0.45) / 0.4, 0.0, 1.0)
        filling = low + (high - low) * end * end
        mineral = outside - inside
        mineral *= 1.0 + 0.03 * self.texture[window]
        mineral += inside * filling * (1.0 + 0.2 * self.texture[window])
        if fragment.sides is not None:
            mineral *= _soft_sides(across, fragment.sides, self.grid.px_per_mm)
        if self.patient.person.child:
            _open_plates(mineral, self.bone.plates, along, across, axis, self.patient.person.size)
        for canal in self.canals:
            _dig(mineral, canal, along, across, axis, self.view)
        return mineral


def _between(fragment: Fragment, along: Singles, across: Singles, half: Singles) -> Singles:
    """Length of each chord that lies within the fragment, mm."""
    length = 2 * half
    if fragment.before is not None:
        length = fragment.before.before(along, fragment.before.column(across), half)
    if fragment.after is not None:
        length = length - fragment.after.before(along, fragment.after.column(across), half)
    np.maximum(length, 0.0, out=length)
    return length


def _soft_sides(across: Singles, sides: tuple[float, float], px_per_mm: float) -> Singles:
    inner = np.minimum(across - sides[0], sides[1] - across)
    soft: Singles = np.clip(inner * px_per_mm + 0.5, 0.0, 1.0)
    return soft


@lru_cache(maxsize=1)
def _wave() -> Singles:
    """Undulation of a growth plate over one turn, mm: a table, since sines differ by machine."""
    return (0.5 * np.sin(np.linspace(0.0, 2 * np.pi, 256, endpoint=False))).astype(np.float32)


def _turn(across: Singles) -> NDArray[np.intp]:
    return (across * np.float32(36.0)).astype(np.intp) % 256


def _open_plates(
    mineral: Singles,
    plates: tuple[float, ...],
    along: Singles,
    across: Singles,
    axis: Shadow,
    size: float,
) -> None:
    """Leave the growth plates of a child open, between two lines of denser bone."""
    for place in plates:
        curved = along - place * axis.length - 0.012 * np.square(across) * np.sign(place - 0.5)
        distance = np.abs(curved + _wave()[_turn(across)]) / np.float32(_PLATE_MM * size)
        mineral *= 1.0 - 0.85 * np.clip(1.7 - distance, 0.0, 1.0)
        mineral *= 1.0 + 0.25 * np.clip(1.0 - np.abs(distance - 2.6), 0.0, 1.0)


def _dig(
    mineral: Singles, canal: Canal, along: Singles, across: Singles, axis: Shadow, view: View
) -> None:
    side = view.across(float(np.cos(canal.direction)), float(np.sin(canal.direction)))[0]
    distance_along = along - canal.at * axis.length
    center = side * 0.75 * axis.half_width(canal.at) + canal.lean * distance_along
    line = np.clip(1.1 - np.abs(across - center) / 0.6, 0.0, 1.0)
    ends = np.clip(3 - 6 * np.abs(distance_along) / canal.length_mm, 0.0, 1.0)
    mineral *= 1.0 - 0.3 * line * ends
