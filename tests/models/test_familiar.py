from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from greenstick.errors import GreenstickError
from greenstick.models.familiar import (
    FAMILIAR,
    for_coarser,
    learn_familiar,
    read_familiar,
    write_familiar,
)


def looks(n: int, seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(6, 6))
    return (dice.normal(size=(n, 6)) @ mixing + 3.0).astype(np.float32)


def test_the_share_of_false_alarms_holds_on_images_of_the_same_kind() -> None:
    known = learn_familiar(looks(2000, 1), looks(2000, 2), false_alarms=0.05, chosen_on="valid")
    assert (known.distance(looks(2000, 2)) > 1).mean() == pytest.approx(0.05, abs=0.002)
    assert (known.distance(looks(4000, 3)) > 1).mean() == pytest.approx(0.05, abs=0.02)
    assert (known.distance(looks(200, 4) * 3.0) > 1).mean() > 0.9


def test_distances_are_those_of_mahalanobis() -> None:
    train, others = looks(20000, 1), looks(20, 5)
    known = learn_familiar(train, looks(500, 2), chosen_on="valid")
    inverse = np.linalg.inv(np.cov(train.astype(np.float64).T))
    plain = [mahalanobis(one, train.mean(axis=0), inverse) for one in others]
    np.testing.assert_allclose(known.distance(others) * known.threshold, plain, rtol=0.02)


def test_more_channels_than_images_do_no_harm() -> None:
    dice = np.random.default_rng(0)
    known = learn_familiar(
        dice.normal(size=(40, 200)), dice.normal(size=(40, 200)), chosen_on="valid"
    )
    assert known.distance(5 * dice.normal(size=(9, 200))).min() > 1.5


def test_coarser_numbers_do_not_make_films_strange() -> None:
    known = learn_familiar(looks(2000, 1), looks(2000, 2), false_alarms=0.05, chosen_on="valid")

    def coarse(seen: np.ndarray, seed: int) -> np.ndarray:
        dice = np.random.default_rng(seed)
        return (seen + 9.0 + 0.3 * dice.normal(size=seen.shape)).astype(np.float32)

    seen, others = looks(100, 3), looks(1000, 4)
    assert known.distance(coarse(others, 5)).min() > 1
    told = for_coarser(known, seen, coarse(seen, 6))
    assert (told.distance(coarse(others, 5)) > 1).mean() == pytest.approx(0.05, abs=0.05)
    assert told.distance(coarse(3.0 * others, 7)).mean() > 1
    assert (told.far, told.false_alarms) == (known.far, known.false_alarms)


def test_what_is_far_lies_beyond_films_as_other_machines_show_them() -> None:
    train, valid = looks(2000, 1), looks(500, 2)
    varied = 1.5 * (valid - 3.0) + 3.0
    near, wide = (
        learn_familiar(train, valid, varied=shown, chosen_on="valid") for shown in (None, varied)
    )
    assert near.threshold == wide.threshold
    assert wide.far == pytest.approx(1.5 * near.far, rel=0.1)
    assert (wide.distance(varied) < wide.far).all()
    assert (wide.distance(400 * looks(20, 3)) > wide.far).all()


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    assert read_familiar(tmp_path) is None
    known = learn_familiar(looks(200, 1), looks(100, 2), chosen_on="valid")
    write_familiar(tmp_path, known)
    back = read_familiar(tmp_path)
    assert back is not None
    np.testing.assert_array_equal(back.distance(looks(9, 3)), known.distance(looks(9, 3)))
    assert (back.chosen_on, back.n, back.false_alarms) == ("valid", 100, 0.01)
    assert back.far == known.far > 1
    (tmp_path / FAMILIAR).write_bytes(b"something else")
    with pytest.raises(GreenstickError, match="does not hold"):
        read_familiar(tmp_path)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(GreenstickError, match="too few"):
        learn_familiar(looks(5, 1), looks(50, 2), chosen_on="valid")
