"""From what a ray passes through to a picture: attenuation, scatter, noise, blur and display."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from greenstick.radiographs.phantom.marks import letters
from greenstick.radiographs.phantom.solids import Floats, Singles

# Linear attenuation a mm at about 60 keV effective; bone is counted on top of the flesh it
# displaces (rounded from NIST's tables; Hubbell and Seltzer, 1995).
MU_MUSCLE = 0.0205
MU_FAT = 0.0178
MU_BONE = 0.040
MU_METAL = 0.6
_LEAD = 3.5  # attenuation of a lead letter, in all
_FOG = 0.004  # light that is everywhere
_LEVELS = 4095  # steps of the display's curve
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
    exposure = ("normal", "under", "over")[int(rng.choice(3, p=(0.76, 0.12, 0.12)))]
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


def depth_in_field(technique: Technique, shape: tuple[int, int]) -> Singles:
    """Return how many pixels each pixel lies within the collimated field; below 0, outside."""
    height, width = shape
    if technique.border == "none":
        return np.full(shape, np.float32(max(shape)))
    cos, sin = np.cos(technique.field_turn), np.sin(technique.field_turn)
    y, x = np.arange(height) - height / 2, np.arange(width) - width / 2
    left, top, right, bottom = technique.insets
    depth: Singles = _plane(x * cos + (0.5 - left) * width, y * sin)
    np.minimum(depth, _plane((0.5 - right) * width - x * cos, -y * sin), out=depth)
    np.minimum(depth, _plane(-x * sin, y * cos + (0.5 - top) * height), out=depth)
    np.minimum(depth, _plane(x * sin, (0.5 - bottom) * height - y * cos), out=depth)
    return depth


def _plane(across: Floats, down: Floats) -> Singles:
    plane: Singles = across.astype(np.float32)[None, :] + down.astype(np.float32)[:, None]
    return plane


def expose(attenuation: Floats, technique: Technique, rng: np.random.Generator) -> Floats:
    """Take the film: return pixels in [0, 1], float64, bone bright.

    Parameters
    ----------
    attenuation
        Integral of the linear attenuation along each ray, without unit, (height, width).
    technique
        How.
    rng
        For the quantum noise.
    """
    height, width = attenuation.shape
    depth = depth_in_field(technique, attenuation.shape)
    across, down = np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height)
    primary: Floats = np.negative(attenuation)
    np.exp(primary, out=primary)
    primary *= 1.0 + technique.heel[0] * across[None, :] + technique.heel[1] * down[:, None]
    primary *= _edge(depth, 0.0)
    light: Floats = ndimage.gaussian_filter(primary, technique.blur_px, truncate=3.0)
    scattered = coarse(primary, 2.2)
    scattered *= technique.scatter
    scattered += _FOG
    light += scattered
    _mark(light, technique)
    noise = np.divide(light, technique.photons, out=scattered)
    np.sqrt(noise, out=noise)
    noise *= rng.standard_normal(light.shape, np.float32)
    light += noise
    light *= 1.0 + technique.streaks * rng.standard_normal((1, width))
    np.maximum(light, 1e-4, out=light)
    np.log(light, out=light)
    return _display(np.negative(light, out=light), depth, technique)


def _edge(depth: Singles, within_px: float) -> Singles:
    """Return 1 within the field and 0 outside, soft over 2.5 pixels."""
    soft: Singles = (depth - np.float32(within_px)) * np.float32(0.4) + np.float32(0.5)
    np.maximum(soft, 0.0, out=soft)
    np.minimum(soft, 1.0, out=soft)
    return soft


def noise_of(attenuation: Floats, technique: Technique) -> Floats:
    """Return the film's noise as a standard deviation of the attenuation, in the same shape.

    Scattered light adds noise and dilutes contrast alike.
    """
    primary = np.exp(-attenuation)
    light = primary + technique.scatter * coarse(primary, 2.2) + _FOG
    noise: Floats = np.sqrt(light / technique.photons) / primary
    return noise


def _mark(light: Floats, technique: Technique) -> None:
    """Lay a lead letter on the cassette, where it stops scattered light as well."""
    if not technique.marker:
        return
    height, width = light.shape
    letter = letters(technique.marker, max(1, round(height / 170)))
    letter = ndimage.gaussian_filter(np.rot90(np.pad(letter, 2), technique.marker_turns), 0.6)
    top = round(technique.marker_at[1] * height - letter.shape[0] / 2)
    left = round(technique.marker_at[0] * width - letter.shape[1] / 2)
    place = light[max(0, top) : top + letter.shape[0], max(0, left) : left + letter.shape[1]]
    place *= np.exp(-_LEAD * letter[: place.shape[0], : place.shape[1]])


def coarse(image: Floats, sigma: float) -> Floats:
    """Blur widely: average blocks, blur those, and interpolate back."""
    height, width = image.shape
    whole = image[: height // _COARSE * _COARSE, : width // _COARSE * _COARSE]
    rows = whole.reshape(-1, _COARSE, whole.shape[1]).mean(axis=1)
    blocks = rows.reshape(len(rows), -1, _COARSE).mean(axis=2)
    return enlarge(ndimage.gaussian_filter(blocks, sigma, mode="nearest"), image.shape)


def enlarge(blocks: Floats, shape: tuple[int, int]) -> Floats:
    """Interpolate linearly between values that lie 16 pixels apart, to a film of this shape.

    Neither a matrix product, for which BLAS would start threads of its own, nor a lookup for
    each pixel, which costs three times as much.
    """
    columns = _enlarge_rows(blocks.T, shape[1])
    return _enlarge_rows(columns.T, shape[0])


def _enlarge_rows(values: Floats, size: int) -> Floats:
    # The first value lies in the middle of the first block; beyond the ends values stay.
    missing = -(-(size - _COARSE // 2) // _COARSE) + 1 - len(values)
    values = np.pad(np.ascontiguousarray(values), ((1, max(0, missing)), (0, 0)), mode="edge")
    share = ((np.arange(_COARSE) + 0.5) / _COARSE)[None, :, None]
    result: Floats = np.diff(values, axis=0)[:, None, :] * share
    result += values[:-1, None, :]
    return result.reshape(-1, values.shape[1])[_COARSE // 2 : _COARSE // 2 + size]


def _display(dark: Floats, depth: Singles, technique: Technique) -> Floats:
    """Show the logarithm of the light, as a reader's software would set it."""
    inside = depth > 0
    even = coarse(np.where(inside, dark, 0.0), 2.5)
    even *= technique.equalized
    dark -= even
    sample = dark[::6, ::6][inside[::6, ::6]]
    low, high = (float(value) for value in np.percentile(sample, (3, 99.3)))
    black = low + technique.window[0] * (high - low) * 0.5
    white = black + technique.window[1] * (high - black)
    dark -= black
    dark *= _LEVELS / (white - black)
    np.maximum(dark, 0.0, out=dark)
    np.minimum(dark, _LEVELS, out=dark)
    # A power for each pixel would cost as much as all else.
    curve = np.linspace(0.0, 1.0, _LEVELS + 1) ** technique.gamma
    shown: Floats = curve[dark.astype(np.intp)]
    if technique.border == "masked":
        # The mask hides the edge's own shadow.
        shown *= _edge(depth, 4.0)
    return shown
