"""Search for copies among 1,000, 10,000 and 100,000 images: time, growth, and what is found.

    python benchmarks/audit.py [--sizes 1000 10000 100000] [--brute-up-to 10000]

The hashes are drawn: frequencies with the mean and covariance of the real radiographs in
../shared/data/fracatlas where they are (else those of smooth noise), and for one image in fifty a
planted copy, turned or mirrored, with as many bits changed as copies have that were recompressed,
cropped or marked. The baseline compares all with all in all poses, by one matrix product a pose;
it is run up to 10,000 images, and beyond that its time is carried on with the square of n.
Times are of the process, so that another program on the machine does not count.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from greenstick.cohorts.hashes import (
    NEAR_BITS,
    POSES,
    SIDE,
    frequencies,
    hamming,
    in_pose,
    near_pairs,
    pack,
)

FRACATLAS = Path(__file__).resolve().parents[2] / "shared" / "data" / "fracatlas" / "images"
PLANTED_SHARE = 0.02
#: Noise on a copy's frequencies, of their own deviation: from 3 to about 64 bits.
NOISE = (0.02, 1.0)
#: Planted copies are counted by how many of their bits differ.
REACHES = ((0, 32), (33, 51), (52, NEAR_BITS))

Frequencies = NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """Frequencies, and the planted pairs (original, copy) with their Hamming distance."""

    values: Frequencies
    planted: list[tuple[int, int]]
    distances: NDArray[np.int64]


def real_frequencies(most: int = 1500) -> tuple[Frequencies, str]:
    """Return the frequencies of real radiographs, or of smooth noise where there are none."""
    if FRACATLAS.is_dir():
        paths = sorted(FRACATLAS.iterdir())[::2][:most]
        thumbnails = [t for t in map(_thumbnail, paths) if t is not None]
        return frequencies(np.stack(thumbnails)), f"{len(thumbnails)} radiographs of FracAtlas"
    noise = np.random.default_rng(0).normal(size=(most, 64, 64))
    smooth = gaussian_filter(noise, (0, 2.5, 2.5)) + 2 * gaussian_filter(noise, (0, 8, 8))
    levels = np.clip(128 + smooth / smooth.std() * 45, 0, 255)
    return frequencies(levels.astype(np.uint8)), f"{most} pictures of smooth noise"


def _thumbnail(path: Path) -> NDArray[np.uint8] | None:
    try:
        with Image.open(path) as image:
            image.draft("L", (128, 128))
            small = image.convert("L").resize((64, 64), Image.Resampling.BOX)
    except OSError:
        return None
    return np.asarray(small)


def draw(model: Frequencies, n: int, seed: int) -> Drawn:
    """Draw n images' frequencies, some of them copies of others."""
    rng = np.random.default_rng(seed)
    flat = model.reshape(len(model), -1).astype(np.float64)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    spread = np.linalg.cholesky(np.cov(flat.T) + 1e-9 * np.eye(SIDE * SIDE))
    originals = n - int(n * PLANTED_SHARE)
    own = rng.normal(size=(originals, SIDE * SIDE)) @ spread.T + flat.mean(axis=0)
    of = rng.choice(originals, n - originals, replace=False)
    noise = rng.uniform(*NOISE, size=(len(of), 1)) * flat.std(axis=0)
    copies = (own[of] + rng.normal(size=(len(of), SIDE * SIDE)) * noise).astype(np.float32)
    straight = own.astype(np.float32).reshape(-1, SIDE, SIDE)
    turned = copies.reshape(-1, SIDE, SIDE)
    distances = hamming(pack(turned), pack(straight[of]))
    poses = rng.integers(0, len(POSES), len(of))
    for pose in range(len(POSES)):
        turned[poses == pose] = in_pose(turned[poses == pose].copy(), pose)
    planted = [(int(one), originals + k) for k, one in enumerate(of)]
    return Drawn(np.concatenate([straight, turned]), planted, distances)


def brute_force(values: Frequencies) -> set[tuple[int, int]]:
    """Compare all with all in all poses."""
    n = len(values)
    signs = _signs(values)
    pairs: set[tuple[int, int]] = set()
    for pose in range(len(POSES)):
        turned = _signs(in_pose(values, pose))
        for start in range(0, n, 1000):
            agree = turned[start : start + 1000] @ signs.T
            near = np.argwhere(agree >= signs.shape[1] - 2 * NEAR_BITS)
            pairs |= {(i + start, j) for i, j in near.tolist() if i + start < j}
    return pairs


def _signs(values: Frequencies) -> NDArray[np.float32]:
    flat = values.reshape(len(values), -1)[:, 1:]
    return np.where(flat > 0, np.float32(1.0), np.float32(-1.0))


def _share_found(drawn: Drawn, pairs: set[tuple[int, int]], low: int, high: int) -> str:
    found = [
        pair in pairs
        for pair, distance in zip(drawn.planted, drawn.distances, strict=True)
        if low <= distance <= high
    ]
    return f"{sum(found)} of {len(found)}"


def main() -> None:
    """Print one row a size."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    arguments.add_argument("--brute-up-to", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    model, source = real_frequencies()
    print(f"hashes drawn like {source}; near: at most {NEAR_BITS} of 255 bits, 8 poses")
    print(
        f"{'images':>8} {'index, s':>9} {'µs an image':>12} "
        + " ".join(f"{f'found, {low}-{high} bits':>22}" for low, high in REACHES)
        + f" {'all with all, s':>18} {'index finds of its pairs':>25}"
    )
    carried = 0.0
    for n in options.sizes:
        drawn = draw(model, n, options.seed)
        start = time.process_time()
        found = near_pairs(drawn.values)
        seconds = time.process_time() - start
        pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
        shares = " ".join(f"{_share_found(drawn, pairs, *reach):>22}" for reach in REACHES)
        brute, agreed = f"{carried * n * n:.0f} (carried on)", "-"
        if n <= options.brute_up_to:
            start = time.process_time()
            truth = brute_force(drawn.values)
            took = time.process_time() - start
            carried = took / n / n
            brute, agreed = f"{took:.1f}", f"{len(truth & pairs)} of {len(truth)}"
        print(
            f"{n:>8,} {seconds:>9.2f} {seconds / n * 1e6:>12.0f} {shares} {brute:>18} {agreed:>25}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
