"""Perceptual hashes of thumbnails, and the pairs among many that lie near each other.

The hash is the signs of the 255 lowest frequencies of the cosine transform of a thumbnail
(after Zauner, 2010, who took 64), whose contrast was first made even, so that a cast, a marker or
a part that is blacked out does not outweigh the rest. A flip changes the sign of every odd
frequency and a transpose swaps the two axes, so the hashes of the eight turned and mirrored poses
follow from one transform, without touching the picture again.

Near pairs are found through an index, not by comparing all with all: hashes that agree on any of
several bands of bits meet in a bucket. A query also looks into the buckets that it would fall in
if its least certain bits, those with a coefficient near zero, were flipped (query-directed
multi-probe hashing: Lv et al., 2007), which finds nearly all pairs with few and narrow buckets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

#: Frequencies kept along each axis.
SIDE = 16
#: Bits of a hash: all kept frequencies but the mean.
BITS = SIDE * SIDE - 1
#: Hamming distance up to which two pictures may be copies, to be verified: every copy known in
#: FracAtlas lies below it, and one pair of different films in 8,000. See docs/audit.md.
NEAR_BITS = 64

#: How a thumbnail is turned, by pose number: (transpose, then flip rows, then flip columns).
POSES: tuple[tuple[bool, bool, bool], ...] = (
    (False, False, False),
    (False, False, True),
    (False, True, False),
    (False, True, True),
    (True, False, False),
    (True, False, True),
    (True, True, False),
    (True, True, True),
)
POSE_NAMES = (
    "",
    "mirrored",
    "upside down and mirrored",
    "turned by 180 degrees",
    "turned by 90 degrees and mirrored",
    "turned by 90 degrees",
    "turned by 90 degrees",
    "turned by 90 degrees and mirrored",
)
_INVERSE = np.array([0, 1, 2, 3, 4, 6, 5, 7])

_EVENED_OVER = 6 / 64  # of the side: sigma of the neighborhood whose contrast is made even
_NOISE = 8.0  # gray levels of contrast that are left as they are
_BANDS = 20
_UNCERTAIN = 5  # bits flipped in all combinations: 32 probes a band
_POOL = 104  # the lowest frequencies: steadier than the others under crops and noise
_CHUNK = 1 << 15


@dataclass(frozen=True, eq=False)
class NearPairs:
    """Pairs of near hashes, each once.

    Attributes
    ----------
    first, second
        int64 of shape (m,); ``first < second``.
    pose
        int64 of shape (m,): the first, so turned, looks like the second.
    distance
        int64 of shape (m,): bits that differ then, of :data:`BITS`.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    pose: NDArray[np.int64]
    distance: NDArray[np.int64]


def frequencies(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the lowest frequencies of thumbnails whose contrast is made even.

    Parameters
    ----------
    thumbnails
        uint8 of shape (n, side, side).

    Returns
    -------
    float32 of shape (n, SIDE, SIDE): the type-II discrete cosine transform's lowest terms.
    """
    side = thumbnails.shape[1]
    angle = np.pi * (np.arange(side) + 0.5) / side
    basis = np.cos(np.arange(SIDE)[:, None] * angle).astype(np.float32)
    out = np.empty((len(thumbnails), SIDE, SIDE), dtype=np.float32)
    for rows in _chunks(len(thumbnails), 1024):
        out[rows] = basis @ _evened(thumbnails[rows]) @ basis.T
    return out


def _evened(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Subtract the local mean and divide by the local deviation; commutes with all poses."""
    values = thumbnails.astype(np.float32)
    sigma = (0.0, _EVENED_OVER * values.shape[1], _EVENED_OVER * values.shape[1])
    values -= gaussian_filter(values, sigma)
    deviation = np.sqrt(gaussian_filter(values**2, sigma))
    return np.asarray(values / (deviation + np.float32(_NOISE)), dtype=np.float32)


def in_pose(frequencies: NDArray[np.float32], pose: int) -> NDArray[np.float32]:
    """Return the frequencies, shape (n, SIDE, SIDE), of the same pictures turned."""
    transpose, flip_rows, flip_columns = POSES[pose]
    odd = np.where(np.arange(SIDE) % 2, np.float32(-1.0), np.float32(1.0))
    turned = frequencies.transpose(0, 2, 1) if transpose else frequencies
    if flip_rows:
        turned = turned * odd[:, None]
    if flip_columns:
        turned = turned * odd
    return turned


def turn(thumbnail: NDArray[np.uint8], pose: int) -> NDArray[np.uint8]:
    """Return one picture, of shape (height, width), turned."""
    transpose, flip_rows, flip_columns = POSES[pose]
    turned = thumbnail.T if transpose else thumbnail
    return turned[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def pack(frequencies: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return hashes: uint64 of shape (n, 4), the signs of all frequencies but the mean."""
    signs = frequencies.reshape(len(frequencies), SIDE * SIDE) > 0
    signs[:, 0] = False
    return np.packbits(signs, axis=1).view(np.uint64)


def hamming(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many bits differ between hashes of shape (..., 4)."""
    words = np.bitwise_xor(one, other)
    return np.asarray(_ones(words).sum(axis=-1, dtype=np.int64))


def near_pairs(
    frequencies: NDArray[np.float32], *, at_most: int = NEAR_BITS, seed: int = 0
) -> NearPairs:
    """Find the pairs whose hashes differ by few bits in any of the eight poses.

    Parameters
    ----------
    frequencies
        float32 of shape (n, SIDE, SIDE), see :func:`frequencies`.
    at_most
        Largest Hamming distance, in bits.
    seed
        Of the choice of bits for the index's bands.

    Notes
    -----
    Cost is that of 8 poses x 20 bands x 32 probes look-ups a picture, and of the pairs that meet;
    bands grow wider with log2 n, so that chance meetings do not grow faster than n. Pairs far
    within ``at_most`` are found nearly always, see ``benchmarks/audit.py``.
    """
    n = len(frequencies)
    hashes = pack(frequencies)
    bands = _bands(n, np.random.default_rng(seed))
    tables = [_Table.of(_codes(frequencies, bits), len(bits)) for bits in bands]
    found = [np.empty((4, 0), dtype=np.int64)]
    for pose in range(len(POSES)):
        for rows in _chunks(n, _CHUNK):
            turned = in_pose(frequencies[rows], pose)
            queries = pack(turned)
            for bits, table in zip(bands, tables, strict=True):
                for who, met in table.meet(_probes(turned, bits)):
                    distance = hamming(queries[who], hashes[met])
                    near = (distance <= at_most) & (who + rows.start != met)
                    found.append(_ordered(who[near] + rows.start, met[near], pose, distance[near]))
    return _each_once(np.concatenate(found, axis=1), n)


def _bands(n: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
    """Choose bits for each band from the lowest frequencies, each used as often as the others."""
    width = int(np.clip(np.ceil(np.log2(max(n, 2))) + 4, 12, 24))
    row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
    pool = np.argsort(row + column, kind="stable")[1 : 1 + _POOL]
    stream = np.concatenate([generator.permutation(pool) for _ in range(_BANDS)])
    bands: list[NDArray[np.int64]] = []
    for _ in range(_BANDS):
        positions = np.unique(stream, return_index=True)[1]
        chosen = np.sort(positions)[:width]  # no bit twice in a band
        bands.append(stream[chosen])
        stream = np.delete(stream, chosen)
    return bands


def _codes(frequencies: NDArray[np.float32], bits: NDArray[np.int64]) -> NDArray[np.int64]:
    signs = frequencies.reshape(len(frequencies), SIDE * SIDE)[:, bits] > 0
    return np.asarray(signs @ (np.int64(1) << np.arange(len(bits))))


def _probes(frequencies: NDArray[np.float32], bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 of shape (n, 2**_UNCERTAIN): a band's code, and with uncertain bits flipped."""
    values = np.abs(frequencies.reshape(len(frequencies), SIDE * SIDE)[:, bits])
    doubtful = np.argpartition(values, _UNCERTAIN, axis=1)[:, :_UNCERTAIN]
    masks = np.zeros((len(values), 1), dtype=np.int64)
    for column in doubtful.T:
        masks = np.concatenate([masks, masks | (np.int64(1) << column)[:, None]], axis=1)
    return _codes(frequencies, bits)[:, None] ^ masks


@dataclass(frozen=True, eq=False)
class _Table:
    """Rows sorted by code, and where each code begins."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, codes: NDArray[np.int64], width: int) -> "_Table":
        counts = np.bincount(codes, minlength=1 << width)
        return cls(np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(counts)]))

    def meet(
        self, probes: NDArray[np.int64], at_once: int = 1 << 22
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (query, row) index arrays of all that share a bucket, some millions at a time."""
        begin = self.starts[probes].ravel()
        length = self.starts[probes + 1].ravel() - begin
        filled = np.flatnonzero(length)
        begin, length, who = begin[filled], length[filled], filled // probes.shape[1]
        ends = np.cumsum(length)
        first = 0
        while first < len(ends):
            done = ends[first] - length[first]
            last = max(first + 1, int(np.searchsorted(ends, done + at_once)))
            lengths = length[first:last]
            before = ends[first:last] - lengths - done
            offsets = np.arange(lengths.sum()) - np.repeat(before, lengths)
            yield (
                np.repeat(who[first:last], lengths),
                self.rows[np.repeat(begin[first:last], lengths) + offsets],
            )
            first = last


def _ordered(
    query: NDArray[np.int64], met: NDArray[np.int64], pose: int, distance: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return int64 (4, m): first, second, pose of the first, distance."""
    pose_of_first = np.where(query < met, pose, _INVERSE[pose])
    return np.stack([np.minimum(query, met), np.maximum(query, met), pose_of_first, distance])


def _each_once(found: NDArray[np.int64], n: int) -> NearPairs:
    first, second, pose, distance = found[:, np.lexsort((found[2], found[3]))]  # nearest first
    _, keep = np.unique(first * n + second, return_index=True)
    return NearPairs(first[keep], second[keep], pose[keep], distance[keep])


def _chunks(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


_BYTE_ONES = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(words))
    by_byte = _BYTE_ONES[words.view(np.uint8)]
    return np.asarray(by_byte.reshape(*words.shape, 8).sum(axis=-1, dtype=np.uint8))
