"""From what a ray passes through to a picture: attenuation, scatter, noise, blur and display."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from greenstick.radiographs.phantom.marks import letters
from greenstick.radiographs.phantom.solids import Floats, Grid

# Linear attenuation a mm at about 60 keV effective; bone is counted on top of the flesh it
# displaces (rounded from NIST's tables; Hubbell and Seltzer, 1995).
MU_MUSCLE = 0.0205
MU_FAT = 0.0178
MU_BONE = 0.040
MU_METAL = 0.6
_LEAD = 3.5  # attenuation of a lead letter, in all
_COARSE = 16  # pixels a side that scatter is computed on: it has no detail


@dataclass(frozen=True)
class Technique:
    """How one film is taken. Nothing in it depends on what is broken.

    Attributes
    ----------
    exposure
        "normal", "under" (few photons, grainy) or "over" (soft tissue burnt out).
    photons
        Photons a pixel in the open beam.
    scatter
        Scattered light as a share of the local primary.
    blur_px
        Standard deviation of the blur.
    window
        Attenuation at black, and the share of the range above it that is white.
    gamma
        Exponent of the display.
    equalized
        Share of the coarse brightness that the display removes.
    heel
        Change of the beam's intensity over the film (across, down).
    border
        "none", "blank" (unexposed, bright) or "masked" (black) beyond the collimated field.
    insets
        Where the field ends: shares of the film at left, top, right, bottom.
    field_turn
        Rotation of the collimator, radians.
    marker
        Lead letter and words, or "" for none.
    marker_at
        Its center, as shares of the field.
    marker_turns
        Quarter turns of the letter.
    streaks
        Unevenness of the detector's columns.
    """

    exposure: str
    photons: float
    scatter: float
    blur_px: float
    window: tuple[float, float]
    gamma: float
    equalized: float
    heel: tuple[float, float]
    border: str
    insets: tuple[float, float, float, float]
    field_turn: float
    marker: str
    marker_at: tuple[float, float]
    marker_turns: int
    streaks: float


def draw_technique(rng: np.random.Generator, laterality: str) -> Technique:
    """Draw how a film is taken."""
    exposure = ("normal", "under", "over")[int(rng.choice(3, p=(0.7, 0.15, 0.15)))]
    photons = {"normal": 6000.0, "under": 900.0, "over": 14000.0}[exposure]
    black = {"normal": (-0.05, 0.25), "under": (-0.35, -0.1), "over": (0.6, 1.0)}[exposure]
    border = ("none", "blank", "masked")[int(rng.choice(3, p=(0.4, 0.25, 0.35)))]
    insets = rng.uniform(0.015, 0.06, 4) * (rng.random(4) < 0.75)
    corners = ((0.12, 0.1), (0.88, 0.1), (0.12, 0.86), (0.88, 0.86))
    corner = corners[int(rng.integers(4))]
    letter = laterality[0].upper() if rng.random() < 0.85 else ""
    return Technique(
        exposure=exposure,
        photons=photons * float(np.exp(rng.normal(0, 0.25))),
        scatter=float(rng.uniform(0.08, 0.3)),
        blur_px=float(rng.uniform(0.45, 0.85)),
        window=(float(rng.uniform(*black)), float(rng.uniform(0.92, 1.12))),
        gamma=float(rng.uniform(0.95, 1.45)),
        equalized=float(rng.uniform(0.1, 0.5)),
        heel=(float(rng.normal(0, 0.06)), float(rng.normal(0, 0.1))),
        border=border,
        insets=(float(insets[0]), float(insets[1]), float(insets[2]), float(insets[3])),
        field_turn=float(rng.normal(0, 0.012)),
        marker=letter,
        marker_at=(corner[0] + float(rng.normal(0, 0.02)), corner[1] + float(rng.normal(0, 0.02))),
        marker_turns=int(rng.choice(4, p=(0.7, 0.12, 0.06, 0.12))),
        streaks=float(rng.uniform(0.0, 0.012)),
    )


def field(technique: Technique, shape: tuple[int, int]) -> Floats:
    """Return 1 within the collimated field, 0 outside, of the film's shape, edges soft."""
    height, width = shape
    if technique.border == "none":
        return np.ones(shape)
    cos, sin = np.cos(technique.field_turn), np.sin(technique.field_turn)
    y = (np.arange(height) - height / 2)[:, None]
    x = (np.arange(width) - width / 2)[None, :]
    across, down = x * cos + y * sin + width / 2, y * cos - x * sin + height / 2
    left, top, right, bottom = technique.insets
    inside = np.minimum(
        np.minimum(across - left * width, (1 - right) * width - across),
        np.minimum(down - top * height, (1 - bottom) * height - down),
    )
    return np.clip(inside / 2.5 + 0.5, 0.0, 1.0)


def expose(
    attenuation: Floats, technique: Technique, grid: Grid, rng: np.random.Generator
) -> Floats:
    """Take the film: return pixels in [0, 1], float64, bone bright.

    Parameters
    ----------
    attenuation
        Integral of the linear attenuation along each ray, without unit. Changed in place.
    technique, grid
        How, and on what.
    rng
        For the quantum noise.
    """
    height, width = attenuation.shape
    _mark(attenuation, technique, grid)
    seen = field(technique, attenuation.shape)
    across, down = np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height)
    beam = 1.0 + technique.heel[0] * across[None, :] + technique.heel[1] * down[:, None]
    primary = np.exp(-attenuation) * beam * seen
    light = ndimage.gaussian_filter(primary, technique.blur_px, truncate=3.0)
    light += technique.scatter * _coarse(primary, 2.2) + 0.004
    noise = rng.standard_normal(attenuation.shape)
    light += noise * np.sqrt(light / technique.photons)
    light *= 1.0 + technique.streaks * rng.standard_normal(width)[None, :]
    dark = -np.log(np.maximum(light, 1e-4))
    return _display(dark, seen, technique)


def noise_of(attenuation: Floats, technique: Technique) -> Floats:
    """Return the film's noise as a standard deviation of the attenuation, in the same shape.

    Scattered light adds noise and dilutes contrast alike.
    """
    primary = np.exp(-attenuation)
    light = primary + technique.scatter * _coarse(primary, 2.2) + 0.004
    return np.sqrt(light / technique.photons) / primary


def _mark(attenuation: Floats, technique: Technique, grid: Grid) -> None:
    if not technique.marker:
        return
    dot = max(1, round(grid.shape[0] / 170))
    letter = np.rot90(letters(technique.marker, dot), technique.marker_turns)
    top = round(technique.marker_at[1] * grid.shape[0] - letter.shape[0] / 2)
    left = round(technique.marker_at[0] * grid.shape[1] - letter.shape[1] / 2)
    place = attenuation[top : top + letter.shape[0], left : left + letter.shape[1]]
    place += _LEAD * letter[: place.shape[0], : place.shape[1]]


def _coarse(image: Floats, sigma: float) -> Floats:
    """Blur widely: average blocks, blur those, and interpolate back."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % _COARSE), (0, -width % _COARSE)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // _COARSE, _COARSE, -1, _COARSE).mean(axis=(1, 3))
    blocks = ndimage.gaussian_filter(blocks, sigma, mode="nearest")
    down = _interpolation(height, blocks.shape[0])
    across = _interpolation(width, blocks.shape[1])
    smooth: Floats = down @ blocks @ across.T
    return smooth


def _interpolation(size: int, blocks: int) -> Floats:
    """Matrix (size, blocks) that interpolates linearly between the centers of blocks."""
    at = np.clip((np.arange(size) + 0.5) / _COARSE - 0.5, 0, blocks - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(blocks)[None, :]), 0.0)


def _display(dark: Floats, seen: Floats, technique: Technique) -> Floats:
    even = dark - technique.equalized * _coarse(np.where(seen > 0.5, dark, 0.0), 2.5)
    sample = even[::6, ::6][seen[::6, ::6] > 0.5]
    open_beam, bone = np.percentile(sample, (3, 99.3))
    black = open_beam + technique.window[0] * (bone - open_beam) * 0.5
    white = black + technique.window[1] * (bone - black)
    shown = np.clip((even - black) / (white - black), 0.0, 1.0) ** technique.gamma
    if technique.border == "masked":
        shown *= seen
    return shown
