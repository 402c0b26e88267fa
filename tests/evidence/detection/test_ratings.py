"""Figures of merit against the pairs that define them."""

from collections.abc import Callable

import numpy as np
import pytest

from greenstick.evidence.detection import BoxRows
from greenstick.evidence.detection.matching import match
from greenstick.evidence.detection.ratings import rankings

Draw = Callable[..., BoxRows]


def by_pairs(rows: BoxRows, *, every_image: bool) -> float:
    """JAFROC: each lesion against each image's highest false positive, ties half."""
    matches = match(rows, (0.5,))
    lesions = {int(k): -np.inf for k in np.flatnonzero(matches.wanted)}
    images = {i: -np.inf for i in range(len(rows)) if every_image or not rows.fractured[i]}
    for place, box in enumerate(matches.order):
        score, image = rows.predictions.scores[box], int(rows.predictions.images[box])
        if matches.hits[0, place]:
            lesions[int(matches.found[0, place])] = score
        elif not matches.ignored[0, place] and image in images:
            images[image] = max(images[image], score)
    wins = [(y > x) + 0.5 * (y == x) for y in lesions.values() for x in images.values()]
    return float(np.mean(wins))


@pytest.mark.parametrize("settings", [{}, {"score_steps": 4}, {"crowd_share": 0.2}, {"false": 0.2}])
def test_afroc_is_the_share_of_pairs(settings: dict[str, float], drawn_boxes: Draw) -> None:
    rows = drawn_boxes(2, images=40, **settings)
    found = {e.name: e for e in rankings(rows, 0.5, 0.95)}
    assert found["AFROC"].value == pytest.approx(by_pairs(rows, every_image=False))
    assert found["AFROC1"].value == pytest.approx(by_pairs(rows, every_image=True))
    assert found["AFROC"].lower < found["AFROC"].value < found["AFROC"].upper
    assert found["AFROC1"].n_images == 40


def test_image_auroc_ranks_by_the_best_box(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(5, images=60)
    best = [
        rows.predictions.scores[rows.predictions.images == i].max(initial=-1) for i in range(60)
    ]
    with_box = [best[i] for i in np.flatnonzero(rows.fractured)]
    without = [best[i] for i in np.flatnonzero(~rows.fractured)]
    pairs = np.mean([(y > x) + 0.5 * (y == x) for y in with_box for x in without])
    assert rankings(rows, 0.5, 0.95)[0].value == pytest.approx(pairs)


def test_the_interval_is_the_bootstraps_or_nearly(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(6, images=120, images_per_patient=2)
    found = rankings(rows, 0.5, 0.95)[1]
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        drawn = rng.integers(0, 60, 60)
        kept = [by_pairs_of(rows, drawn)]
        values += kept
    spread = np.std(values)
    assert (found.upper - found.lower) / (2 * 1.96) == pytest.approx(spread, rel=0.25)


def by_pairs_of(rows: BoxRows, drawn: np.ndarray) -> float:
    from greenstick.evidence.detection.ratings import lesion_rows

    judged = lesion_rows(rows, 0.5, against=~rows.fractured)
    patients = rows.patients[judged.images]
    which = np.concatenate([np.flatnonzero(patients == p) for p in drawn])
    scores, labels = judged.scores[which], judged.labels[which]
    pairs = scores[labels][:, None] - scores[~labels][None]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_without_normal_images_only_afroc1_stands(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(0, images=20, most=4)
    alone = rankings(rows, 0.5, 0.95)
    assert [e.name for e in alone] == ["image AUROC", "AFROC", "AFROC1"]
    nothing = drawn_boxes(0, most=0)
    assert [e.value for e in rankings(nothing, 0.5, 0.95)] == [None, None, None]
