"""Scores with a known make-up, for tests of evidence."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from greenstick.evidence.rows import ScoredRows, to_rows


def draw_table(
    n: int = 300, *, seed: int = 0, images_per_patient: int = 1, steps: int = 0, shift: float = 1.5
) -> pl.DataFrame:
    """Draw a scores table; ``steps`` rounds scores to that many levels, which makes ties."""
    generator = np.random.default_rng(seed)
    patients = np.arange(n) // images_per_patient
    tendency = generator.normal(size=n)[patients]
    labels = (generator.random(n) < 0.3).astype(np.int8)
    logits = generator.normal(size=n) + 0.7 * tendency + shift * labels - 1.0
    scores = expit(logits)
    if steps:
        scores = np.round(scores * steps) / steps
    return pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "patient": [f"p{p}" for p in patients],
            "label": labels,
            "score": scores,
            "logit": logits,
            "site": np.where(patients % 2, "north", "south"),
        }
    )


@pytest.fixture(scope="session")
def scores_table() -> Callable[..., pl.DataFrame]:
    """Return a function that draws a scores table."""
    return draw_table


@pytest.fixture(scope="session")
def drawn_rows() -> Callable[..., ScoredRows]:
    """Return a function that draws the same as arrays."""
    return lambda n=300, **settings: to_rows(draw_table(n, **settings))
