"""On which rows something was chosen, so that judging it on the same ones is found out.

Names of rows can be changed; their contents are compared instead. A digest of all labels and
scores knows the very same rows, in any order. A sample of rows, those with the smallest hashes,
knows a part of them, or them and others: samples of two sets overlap where the sets do.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

#: How many rows are remembered; a fifth of the rows in common is then all but surely found.
SAMPLE = 64
#: Equal (label, score) pairs in this number are no chance.
ENOUGH = 3


class ChosenOn(BaseModel):
    """What is kept of the rows that something was chosen on.

    Attributes
    ----------
    fingerprint
        Digest of all labels and scores; empty where nothing was chosen on rows.
    sample
        Hashes of (label, score) of some rows: those whose score is a number of many digits that
        no other row has, and so is theirs alone.
    images
        Hashes of the names of some images; empty where they were not told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str = ""
    sample: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def saw(
        self, labels: ArrayLike, scores: ArrayLike, images: Sequence[object] | None = None
    ) -> bool:
        """Tell whether any of these rows are among those that it was chosen on."""
        if self.fingerprint and self.fingerprint == fingerprint(labels, scores):
            return True
        if self.sample and common(self.sample, row_hashes(labels, scores)) >= ENOUGH:
            return True
        return (
            bool(self.images)
            and images is not None
            and bool(common(self.images, image_hashes(images)))
        )


def fingerprint(labels: ArrayLike, scores: ArrayLike) -> str:
    """Return a digest of the (label, score) pairs that does not depend on their order."""
    label = np.asarray(labels, dtype=np.int8)
    score = np.asarray(scores, dtype=np.float64) + 0.0  # one zero, not two
    order = np.lexsort((label, score))
    digest = hashlib.blake2b(digest_size=16)
    digest.update(score[order].tobytes())
    digest.update(label[order].tobytes())
    return digest.hexdigest()


def sample_of(hashes: Hashes) -> tuple[str, ...]:
    """Return the smallest hashes as text."""
    return tuple(f"{h:016x}" for h in np.sort(hashes)[:SAMPLE].tolist())


def common(sample: Sequence[str], hashes: Hashes) -> int:
    """Return how many of a sample are among some hashes."""
    known = np.array([int(h, 16) for h in sample], dtype=np.uint64)
    return int(np.isin(known, hashes).sum())


def row_hashes(labels: ArrayLike, scores: ArrayLike) -> Hashes:
    """Return hashes of the rows whose score is theirs alone.

    A score of few digits, or one that several rows have, tells nothing of which row it is.
    """
    label = np.asarray(labels, dtype=np.uint64)
    score = np.asarray(scores, dtype=np.float64)
    score, first, times = np.unique(score, return_index=True, return_counts=True)
    own = (times == 1) & many_digits(score)
    rounded = np.round(score[own] * 1e9).astype(np.int64).view(np.uint64)
    return _mixed(rounded * np.uint64(2) + label[first[own]])


def many_digits(scores: Floats) -> NDArray[np.bool_]:
    """Tell which numbers need more than six decimals, and so were not typed by hand."""
    scaled = np.asarray(scores, dtype=np.float64) * 1e6
    sure = np.isfinite(scaled) & (np.abs(scaled) < 1e9)
    return np.asarray(sure & (np.abs(scaled - np.round(scaled)) > 1e-3))


def _mixed(values: Hashes) -> Hashes:
    """Return values with their bits mixed (SplitMix64): the smallest are then a random draw."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def image_hashes(images: Sequence[object]) -> Hashes:
    """Return a hash of each distinct name."""
    names = {str(image) for image in images}
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def kept(
    labels: ArrayLike,
    scores: ArrayLike,
    images: Sequence[object] | None = None,
    *,
    applied: ArrayLike | None = None,
) -> ChosenOn:
    """Return what is to be kept of rows that something is chosen on.

    Parameters
    ----------
    labels, scores
        (n,) what it is chosen on.
    images
        (n,) names, where known.
    applied
        (n,) what the chosen thing makes of the scores, where it changes them: the rows are then
        known by these too.
    """
    hashes = sample_of(row_hashes(labels, scores))
    after = () if applied is None else sample_of(row_hashes(labels, applied))
    return ChosenOn(
        fingerprint=fingerprint(labels, scores),
        sample=hashes + after,
        images=() if images is None else sample_of(image_hashes(images)),
    )
