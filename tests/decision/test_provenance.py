import numpy as np
import pytest
from numpy.typing import NDArray

from greenstick.decision.calibration import fit_calibration
from greenstick.decision.conformal import fit_conformal
from greenstick.decision.operating_points import choose_operating_point
from greenstick.decision.provenance import ChosenOn, kept
from greenstick.decision.triage import choose_triage

Floats = NDArray[np.float64]


def rows(n: int = 300, seed: int = 0) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    labels = (np.arange(n) % 3 == 0).astype(np.int8)
    return labels, generator.normal(size=n) + labels


def test_the_same_rows_are_known_in_any_order() -> None:
    labels, scores = rows()
    again = np.random.default_rng(1).permutation(300)
    assert kept(labels, scores).saw(labels[again], scores[again])
    coarse = np.round(scores, 1)
    assert kept(labels, coarse).saw(labels[again], coarse[again])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_part_of_the_rows_is_known(share: float) -> None:
    labels, scores = rows()
    part = np.random.default_rng(2).random(300) < share
    assert kept(labels, scores).saw(labels[part], scores[part])
    assert kept(labels[part], scores[part]).saw(labels, scores)


def test_other_rows_are_not_taken_for_them() -> None:
    found = kept(*rows())
    for seed in range(1, 200):
        assert not found.saw(*rows(seed=seed))


@pytest.mark.parametrize("digits", [1, 3, 6])
def test_scores_of_few_digits_are_no_proof(digits: int) -> None:
    labels, scores = rows()
    found = kept(labels, np.round(scores, digits))
    other, theirs = rows(n=5000, seed=1)
    assert not found.saw(other, np.round(theirs, digits))


def test_scores_that_many_rows_share_are_no_proof() -> None:
    """A tree of eight leaves gives new rows the scores of old ones."""
    leaves = np.random.default_rng(0).random(8)
    labels, _ = rows()
    first, second = (leaves[np.random.default_rng(s).integers(0, 8, 300)] for s in (1, 2))
    assert not kept(labels, first).saw(labels, second)


def test_images_are_known_whoever_scores_them() -> None:
    labels, scores = rows()
    names = [f"{i}.png" for i in range(300)]
    found = kept(labels, scores, names)
    assert found.saw(labels[:99], scores[:99] + 1, names[:99])
    assert not found.saw(labels, scores + 1, [f"other {name}" for name in names])
    assert not found.saw(labels, scores + 1)


def test_nothing_chosen_on_rows_has_seen_none() -> None:
    assert not ChosenOn().saw(*rows(), images=["a"])


@pytest.mark.parametrize("method", ["temperature", "platt", "beta", "isotonic"])
def test_a_calibration_knows_its_rows_by_what_it_made_of_them(method: str) -> None:
    labels, logits = rows()
    found = fit_calibration(logits, labels, method=method, fitted_on="valid")  # type: ignore[arg-type]
    half = slice(0, 150)
    assert found.saw(labels[half], logits[half])
    other, theirs = rows(seed=4)
    assert not found.saw(other, theirs)
    if method != "isotonic":  # whose probabilities many rows share
        assert found.saw(labels[half], found.apply(logits[half]))
        assert not found.saw(other, found.apply(theirs))


def test_whatever_is_chosen_on_rows_knows_them() -> None:
    labels, scores = rows()
    names = [str(i) for i in range(300)]
    for found in (
        choose_operating_point(labels, scores, chosen_on="valid", images=names),
        choose_triage(labels, scores, chosen_on="valid", images=names),
        fit_conformal(labels, scores, fitted_on="valid", images=names),
    ):
        assert found.saw(labels[:200], scores[:200])
        assert found.saw(labels + 0, scores * 2, names)
