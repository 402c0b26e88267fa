"""A best box's score becomes a probability, where images with and without a fracture teach it."""

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from greenstick.cohorts.cohort import make_cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.answering import answer_on, fit_answer


def test_probabilities_are_calibrated_on_the_images_given() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-1.0, 1.5, 4000)
    labels = rng.random(4000) < expit(1.7 * logits + 0.4)
    answer = fit_answer(labels, expit(logits), fitted_on="valid")
    assert answer.slope == pytest.approx(1.7, abs=0.15)
    assert answer.intercept == pytest.approx(0.4, abs=0.15)
    assert (answer.fitted_on, answer.n, answer.n_positive) == ("valid", 4000, labels.sum())
    (point,) = answer.operating_points
    assert (point.rule, point.chosen_on, point.n) == ("youden", "valid", 4000)
    # Youden's threshold is where a fracture is as probable as the share of them.
    assert point.threshold == pytest.approx(labels.mean(), abs=0.06)


def test_an_image_without_a_box_counts_with_a_score_of_zero(tmp_path_factory) -> None:
    label = [1] * 12 + [0] * 12 + [None]
    names = [f"{i}.png" for i in range(25)]
    cohort = make_cohort(
        pl.DataFrame({"image": names, "label": label}), tmp_path_factory.mktemp("none")
    )
    score = [0.9] * 11 + [0.2, 0.3]  # the last two images of a fracture-free one and of none
    found = pl.DataFrame({"image": [*names[:11], names[12], names[24]], "score": score})
    answer = answer_on(cohort, found, fitted_on="valid")
    assert (answer.n, answer.n_positive) == (24, 12)
    assert answer.slope > 0


def test_what_says_nothing_of_images_without_a_fracture_is_refused() -> None:
    scores = np.linspace(0.1, 0.9, 40)
    with pytest.raises(GreenstickError, match="40 show a fracture and 0 none"):
        fit_answer(np.ones(40), scores, fitted_on="valid")
    with pytest.raises(GreenstickError, match="no higher where there is a fracture"):
        fit_answer(scores < 0.5, scores, fitted_on="valid")
