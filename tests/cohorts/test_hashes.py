import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn
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
    turn,
)


def pictures(n: int, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(size=(n, 64, 64))
    smooth = gaussian_filter(noise, (0, 2.5, 2.5)) + 2 * gaussian_filter(noise, (0, 8, 8))
    return np.uint8(np.clip(128 + smooth / smooth.std() * 45, 0, 255))


def by_brute_force(values: NDArray[np.float32], at_most: int) -> dict[tuple[int, int], int]:
    """Compare all with all, bit by bit, in every pose."""
    signs = values.reshape(len(values), -1)[:, 1:] > 0
    best: dict[tuple[int, int], int] = {}
    for pose in range(len(POSES)):
        turned = in_pose(values, pose).reshape(len(values), -1)[:, 1:] > 0
        distance = (turned[:, None] != signs[None]).sum(axis=2)
        for i, j in np.argwhere(np.triu(distance <= at_most, 1)):
            pair = (int(i), int(j))
            best[pair] = min(best.get(pair, 999), int(distance[i, j]))
    return best


@pytest.mark.parametrize("pose", range(8))
def test_frequencies_of_a_turned_picture_follow_without_turning_it(pose: int) -> None:
    flat = pictures(3)
    turned = np.stack([turn(one, pose) for one in flat])
    expected = in_pose(frequencies(flat), pose)
    np.testing.assert_allclose(frequencies(turned), expected, atol=1e-3)


def test_frequencies_are_those_of_the_cosine_transform() -> None:
    # a picture of one level everywhere but a grating: its evened contrast is a grating still
    along = np.cos(np.pi * (np.arange(64) + 0.5) / 64 * 8)
    grating = np.uint8(128 + 60 * np.tile(along, (64, 1)))[None]
    ours = frequencies(grating)[0]
    theirs = dctn(grating[0].astype(float) - 128, type=2)[:SIDE, :SIDE]
    assert np.unravel_index(np.abs(ours).argmax(), ours.shape) == (0, 8)
    assert np.unravel_index(np.abs(theirs).argmax(), theirs.shape) == (0, 8)


def test_hash_has_the_sign_of_each_frequency_but_the_mean() -> None:
    values = np.random.default_rng(1).normal(size=(5, SIDE, SIDE)).astype(np.float32)
    other = values.copy()
    other[:, 3, 4] *= -1
    other[:, 15, 15] *= -1
    other[:, 0, 0] *= -1
    assert hamming(pack(values), pack(other)).tolist() == [2] * 5
    assert hamming(pack(values), pack(-values)).tolist() == [255] * 5


@pytest.mark.parametrize("seed", range(3))
def test_index_finds_what_brute_force_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    originals = pictures(150, seed)
    noisy = originals[:60].astype(float) + gaussian_filter(
        rng.normal(0, 60, (60, 64, 64)), (0, 1, 1)
    )
    poses = rng.integers(0, 8, 60)
    copies = np.stack(
        [turn(np.uint8(np.clip(one, 0, 255)), p) for one, p in zip(noisy, poses, strict=True)]
    )
    values = frequencies(np.concatenate([originals, copies]))
    truth = by_brute_force(values, NEAR_BITS)
    found = near_pairs(values)
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) <= set(truth)
    assert len(truth) >= 60
    assert len(pairs) >= 0.99 * len(truth)
    assert {(k, 150 + k) for k in range(60)} <= set(pairs)
    at = dict(zip(pairs, found.pose.tolist(), strict=True))
    assert [at[k, 150 + k] for k in range(60)] == poses.tolist()


def test_pose_turns_the_first_into_the_second_whichever_is_the_copy() -> None:
    original = pictures(1)[0]
    for pose in range(8):
        for both in ([original, turn(original, pose)], [turn(original, pose), original]):
            found = near_pairs(frequencies(np.stack(both)))
            assert found.distance.tolist() == [0]
            np.testing.assert_array_equal(turn(both[0], int(found.pose[0])), both[1])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_pictures(n: int) -> None:
    assert len(near_pairs(frequencies(pictures(2)[:n])).first) == 0


def test_same_pictures_give_the_same_pairs() -> None:
    values = frequencies(np.concatenate([pictures(40), pictures(40)]))
    one, other = near_pairs(values), near_pairs(values)
    np.testing.assert_array_equal(one.first, other.first)
    assert list(zip(one.first, one.second, strict=True)) == [(k, 40 + k) for k in range(40)]
