"""Do intervals hold the truth? A small simulation; ``benchmarks/coverage.py`` is the large one."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.discrimination import auroc, placements
from greenstick.evidence.rows import ScoredRows

THRESHOLD = 0.8


def draw(images: int, per_patient: int, generator: np.random.Generator) -> ScoredRows:
    """Draw images whose patients share half of the variance of label and score."""
    patients = np.arange(images) // per_patient
    shared, own = generator.normal(size=(2, images)), generator.normal(size=(2, images))
    lean, noise = (shared[:, patients] + own) / np.sqrt(2)
    labels = lean > 0.4
    return ScoredRows(labels, 1.8 * labels + noise, patients, np.arange(images))


@cache
def truths() -> dict[str, float]:
    rows = draw(200_000, 1, np.random.default_rng(7))
    found = at_operating_point(rows, rows.scores >= THRESHOLD)
    area = placements(rows.labels, rows.scores).auroc
    return {"AUROC": area} | {e.name: e.value for e in found if e.value is not None}


@pytest.mark.parametrize(("images", "per_patient"), [(80, 1), (240, 4)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(images: int, per_patient: int) -> None:
    truth = truths()
    held = dict.fromkeys(truth, 0)
    n = 200
    for seed in range(n):
        rows = draw(images, per_patient, np.random.default_rng(seed))
        for e in [auroc(rows), *at_operating_point(rows, rows.scores >= THRESHOLD)]:
            low = -np.inf if e.lower is None else e.lower
            high = np.inf if e.upper is None else e.upper
            held[e.name] += low <= truth[e.name] <= high
    for name, times in held.items():
        assert 0.91 <= times / n <= 0.99, (name, times / n)


def test_images_of_one_patient_taken_as_independent_fool_the_reader() -> None:
    truth = truths()["AUROC"]
    held = 0
    for seed in range(200):
        rows = draw(200, 10, np.random.default_rng(seed))
        blind = auroc(replace(rows, patients=np.arange(len(rows))))
        held += blind.lower <= truth <= blind.upper
    assert held / 200 < 0.87
