"""Drawn boxes, of any make-up, for tests of detectors' evidence."""

from collections.abc import Callable

import numpy as np
import pytest

from greenstick.evidence.detection import BoxRows, PredictedBoxes, TrueBoxes


def draw_rows(
    seed: int = 0,
    *,
    images: int = 30,
    classes: int = 2,
    images_per_patient: int = 1,
    most: int = 4,
    crowd_share: float = 0.0,
    score_steps: int = 0,
    false: float = 2.0,
    missed: float = 0.3,
    size_px: float = 400.0,
) -> BoxRows:
    """Draw true boxes, and predictions that find some of them, twice at times, and others."""
    rng = np.random.default_rng(seed)
    of_image = rng.integers(0, most + 1, images)
    image = np.repeat(np.arange(images), of_image)
    k = len(image)
    kind = rng.integers(0, classes, k)
    sides = np.exp(rng.uniform(np.log(8), np.log(200), (k, 2)))
    xywh = np.concatenate([rng.uniform(0, size_px, (k, 2)), sides], axis=1)
    truth = TrueBoxes(
        image,
        kind,
        xywh,
        sides.prod(axis=1) * rng.uniform(0.6, 1.0, k),
        rng.random(k) < crowd_share,
    )
    hit = np.flatnonzero(rng.random(k) > missed)
    hit = np.concatenate([hit, hit[rng.random(len(hit)) < 0.2]])
    moved = xywh[hit] + rng.normal(size=(len(hit), 4)) * sides[hit][:, [0, 1, 0, 1]] * 0.12
    wrong = rng.poisson(false * images)
    elsewhere = np.concatenate(
        [rng.uniform(0, size_px, (wrong, 2)), np.exp(rng.uniform(2, 5.3, (wrong, 2)))], axis=1
    )
    boxes = np.concatenate([moved, elsewhere])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 0.5)
    kinds = np.concatenate([kind[hit], rng.integers(0, classes, wrong)])
    scores = np.concatenate([rng.beta(4, 2, len(hit)), rng.beta(2, 4, wrong)])
    if score_steps:
        scores = np.round(scores * score_steps) / score_steps
    order = rng.permutation(len(boxes))
    predictions = PredictedBoxes(
        np.concatenate([image[hit], rng.integers(0, images, wrong)])[order],
        kinds[order],
        boxes[order],
        scores[order],
    )
    return BoxRows(
        images=tuple(f"{i:03d}.png" for i in range(images)),
        patients=np.arange(images) // images_per_patient,
        classes=tuple(f"class {c}" for c in range(classes)),
        truth=truth,
        predictions=predictions,
    )


@pytest.fixture(scope="session")
def drawn_boxes() -> Callable[..., BoxRows]:
    """Return a function that draws true and predicted boxes."""
    return draw_rows
