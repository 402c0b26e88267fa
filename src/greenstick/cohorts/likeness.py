"""Whether two thumbnails show the same picture: aligned, then compared block by block.

Hands in one pose have near hashes without being copies. So each near pair is laid over each
other (inverse-compositional image alignment: Baker & Matthews, 2004), which undoes a small crop,
shift or turn, and its fine structure is correlated in blocks of 8 x 8. Blocks say more than one
number for the whole picture: a marker burned in, or a part that is blacked out, spoils a few
blocks and leaves the others equal, while two different hands are nowhere equal.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

#: A block agrees loosely, and strictly, above these correlations.
LOOSE, STRICT = 0.90, 0.97
#: Copies agree loosely in this share of their structure, or strictly in that one. Chosen on
#: copies made of FracAtlas and on its 4,000 nearest pairs, looked at by eye; see docs/audit.md.
LOOSE_SHARE, STRICT_SHARE = 0.83, 0.60
#: Less is enough where the hashes differ by no more than this: a copy that was sharpened.
CLOSE_BITS, CLOSE_LOOSE_SHARE = 32, 0.55
#: Strict agreement counts only where both pictures have structure in this share of it.
COMPARABLE_SHARE = 0.35

_BLOCK = 8
_FINE, _COARSE = 0.5, 2.0  # the band of structure that is compared: Gaussians' sigma in cells
_FLAT = 0.03  # structure of a block, by cell, below which it is flat
_STEPS = ((2, 2.0, 12), (1, 1.0, 8))  # alignment: reduction, blur in cells, iterations
_LARGEST_STEP, _LARGEST_WARP = 0.1, 0.3  # of half the picture's side
_BATCH = 128

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Likeness:
    """How far pairs of thumbnails agree.

    Attributes
    ----------
    loose, strict
        float32 of shape (m,): shares, 0 to 1, of the structure that agrees loosely, strictly.
    comparable
        float32 of shape (m,): share of the structure where both have some.
    """

    loose: Array
    strict: Array
    comparable: Array

    def copies(self, distance: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each pair shows the same picture, given by how many bits its hashes differ."""
        part = (self.strict >= STRICT_SHARE) & (self.comparable >= COMPARABLE_SHARE)
        close = (self.loose >= CLOSE_LOOSE_SHARE) & (distance <= CLOSE_BITS)
        return (self.loose >= LOOSE_SHARE) | part | close

    def degree(self) -> Array:
        """Return how near each pair is to counting as a copy, which it is from 1 on."""
        strict = self.strict * (self.comparable >= COMPARABLE_SHARE)
        return np.asarray(np.maximum(self.loose / LOOSE_SHARE, strict / STRICT_SHARE))


def compare(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Likeness:
    """Compare thumbnails pair by pair, as they lie and aligned; the better counts.

    Parameters
    ----------
    one, other
        uint8 of shape (m, side, side), side a multiple of 16; turned to the same pose.
    """
    parts = [_compare(one[rows], other[rows]) for rows in _batches(len(one))]
    if not parts:
        nothing = np.zeros(0, dtype=np.float32)
        return Likeness(nothing, nothing, nothing)
    return Likeness(
        np.concatenate([part.loose for part in parts]),
        np.concatenate([part.strict for part in parts]),
        np.concatenate([part.comparable for part in parts]),
    )


def _batches(n: int) -> Iterator[slice]:
    for start in range(0, n, _BATCH):
        yield slice(start, min(start + _BATCH, n))


def _compare(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Likeness:
    first, second = _standardized(one), _standardized(other)
    as_is = np.zeros((len(first), 6), dtype=np.float32)
    plain = _agreement(first, second, as_is)
    aligned = _agreement(first, second, _align(first, second, as_is))
    better = aligned.degree() > plain.degree()
    return Likeness(
        np.where(better, aligned.loose, plain.loose),
        np.where(better, aligned.strict, plain.strict),
        np.where(better, aligned.comparable, plain.comparable),
    )


def _standardized(pictures: NDArray[np.uint8] | Array) -> Array:
    values = pictures.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    deviation = np.sqrt((values**2).mean(axis=(1, 2), keepdims=True))
    return np.asarray(values / np.maximum(deviation, 1e-6), dtype=np.float32)


def _blurred(pictures: Array, sigma: float) -> Array:
    return np.asarray(gaussian_filter(pictures, (0, sigma, sigma), mode="nearest"))


def _grid(side: int) -> tuple[Array, Array]:
    """Return x and y of all cells, each of shape (side * side,), from -1 to 1."""
    along = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    return np.tile(along, side), np.repeat(along, side)


def _sampled(pictures: Array, warp: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Sample pictures where an affine warp, shape (m, 6), puts each cell; and whether inside.

    A warp holds what is added to x (constant, x, y) and to y (constant, x, y).
    """
    m, side, _ = pictures.shape
    x, y = _grid(side)
    at_x = x + warp[:, 0:1] + warp[:, 1:2] * x + warp[:, 2:3] * y
    at_y = y + warp[:, 3:4] + warp[:, 4:5] * x + warp[:, 5:6] * y
    column, row = (at_x + 1) * side / 2 - 0.5, (at_y + 1) * side / 2 - 0.5
    last = side - 1
    inside = (column >= 0) & (column <= last) & (row >= 0) & (row <= last)
    column, row = np.clip(column, 0, last - 1e-3), np.clip(row, 0, last - 1e-3)
    left, top = column.astype(np.int64), row.astype(np.int64)
    right_part, low_part = column - left, row - top
    corner = top * side + left + (np.arange(m) * side * side)[:, None]
    cells = pictures.reshape(-1)
    upper = cells[corner] * (1 - right_part) + cells[corner + 1] * right_part
    lower = cells[corner + side] * (1 - right_part) + cells[corner + side + 1] * right_part
    return upper * (1 - low_part) + lower * low_part, inside


def _align(first: Array, second: Array, warp: Array) -> Array:
    """Return the warps, shape (m, 6), that lay ``second`` over ``first``."""
    for reduction, sigma, iterations in _STEPS:
        template = _standardized(_blurred(_reduced(first, reduction), sigma))
        moving = _standardized(_blurred(_reduced(second, reduction), sigma))
        steepest = _steepest(template)
        hessian = steepest.transpose(0, 2, 1) @ steepest
        trace = np.trace(hessian, axis1=1, axis2=2)[:, None, None]
        inverse = np.linalg.inv(hessian + np.eye(6, dtype=np.float32) * (1e-3 * trace / 6 + 1e-6))
        flat = template.reshape(len(template), -1)
        for _ in range(iterations):
            sampled, inside = _sampled(moving, warp)
            error = (_matched(sampled, flat, inside) - flat) * inside
            step = (inverse @ (steepest.transpose(0, 2, 1) @ error[..., None]))[..., 0]
            warp = _composed(warp, np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))
            warp = np.clip(warp, -_LARGEST_WARP, _LARGEST_WARP)
    return warp


def _reduced(pictures: Array, by: int) -> Array:
    m, side, _ = pictures.shape
    small = side // by
    cells = pictures.reshape(m, small, by, small, by)
    return np.asarray(cells.mean(axis=(2, 4), dtype=np.float32))


def _steepest(template: Array) -> Array:
    """Return how the template changes with each of the six numbers of a warp: (m, cells, 6)."""
    m, side, _ = template.shape
    x, y = _grid(side)
    across = np.gradient(template, np.float32(2 / side), axis=2).reshape(m, -1)
    down = np.gradient(template, np.float32(2 / side), axis=1).reshape(m, -1)
    return np.stack([across, across * x, across * y, down, down * x, down * y], axis=-1)


def _matched(sampled: Array, template: Array, inside: NDArray[np.bool_]) -> Array:
    """Return the samples with the gain and offset that fit the template best."""
    weight = inside.astype(np.float32)
    total = weight.sum(axis=1, keepdims=True) + 1e-6
    mean_s = (sampled * weight).sum(axis=1, keepdims=True) / total
    mean_t = (template * weight).sum(axis=1, keepdims=True) / total
    centered = (sampled - mean_s) * weight
    covariance = (centered * template).sum(axis=1, keepdims=True)
    gain = covariance / np.maximum((centered**2).sum(axis=1, keepdims=True), 1e-6)
    return np.asarray((sampled - mean_s) * np.clip(gain, 0.3, 3.0) + mean_t)


def _composed(warp: Array, step: Array) -> Array:
    """Return ``warp`` after the inverse of ``step``."""
    return _from_matrix(_as_matrix(warp) @ np.linalg.inv(_as_matrix(step)))


def _as_matrix(warp: Array) -> Array:
    matrix = np.zeros((len(warp), 3, 3), dtype=np.float32)
    matrix[:, 0] = warp[:, [1, 2, 0]]
    matrix[:, 1] = warp[:, [4, 5, 3]]
    return matrix + np.eye(3, dtype=np.float32)


def _from_matrix(matrix: Array) -> Array:
    change = matrix - np.eye(3, dtype=np.float32)
    return np.concatenate([change[:, 0][:, [2, 0, 1]], change[:, 1][:, [2, 0, 1]]], axis=1)


def _agreement(first: Array, second: Array, warp: Array) -> Likeness:
    fixed = _structure(first).reshape(len(first), -1)
    moved, inside = _sampled(_structure(second), warp)
    side = first.shape[1]
    a, b, within = (_blocks(v, side) for v in (fixed, moved, inside.astype(np.float32)))
    energy_a, energy_b = (a * a * within).sum(axis=2), (b * b * within).sum(axis=2)
    correlation = (a * b * within).sum(axis=2) / np.sqrt(energy_a * energy_b + 1e-9)
    counted = within.mean(axis=2) > 0.5
    larger = np.sqrt(np.maximum(energy_a, energy_b)) * counted
    smaller = np.sqrt(np.minimum(energy_a, energy_b)) * counted
    larger = larger * (larger > _FLAT * _BLOCK)
    smaller = smaller * (smaller > _FLAT * _BLOCK)
    return Likeness(
        _share(larger, correlation > LOOSE),
        _share(smaller, correlation > STRICT),
        smaller.sum(axis=1) / (larger.sum(axis=1) + np.float32(1e-6)),
    )


def _structure(pictures: Array) -> Array:
    return _blurred(pictures, _FINE) - _blurred(pictures, _COARSE)


def _blocks(values: Array, side: int) -> Array:
    """Cut (m, side * side) into blocks: (m, blocks, cells)."""
    across = side // _BLOCK
    cut = values.reshape(-1, across, _BLOCK, across, _BLOCK).transpose(0, 1, 3, 2, 4)
    return cut.reshape(-1, across * across, _BLOCK * _BLOCK)


def _share(energy: Array, agrees: NDArray[np.bool_]) -> Array:
    total = energy.sum(axis=1)
    return np.asarray((energy * agrees).sum(axis=1) / (total + np.float32(1e-6)), dtype=np.float32)
