from collections.abc import Callable

import numpy as np
import pytest

import greenstick.evidence.bootstrap as bootstrap
from greenstick.evidence.bootstrap import Statistics, draw_weights, resample
from greenstick.evidence.resampling import statistics_of
from greenstick.evidence.rows import Floats, Ints, ScoredRows


def mean_of(values: Floats) -> Statistics:
    def statistics(weights: Ints) -> dict[str, Floats]:
        return {"mean": weights @ values / weights.sum(axis=1)}

    return statistics


def test_each_replicate_draws_as_many_patients_as_there_are() -> None:
    weights = draw_weights(np.random.default_rng(0), 50, 2000)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.12)
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.02)  # binomial(50, 1 / 50)


def test_the_bootstrap_finds_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=400)
    drawn = resample(mean_of(values), patients=400, rows=400, replicates=4000, seed=1)
    assert drawn.replicates["mean"].std() == pytest.approx(values.std() / 20, rel=0.04)


def test_the_jackknife_leaves_out_each_patient_once() -> None:
    values = np.random.default_rng(0).normal(size=40)
    left_out = resample(mean_of(values), patients=40, rows=40, replicates=2, seed=1).left_out
    expected = [np.delete(values, i).mean() for i in range(40)]
    np.testing.assert_allclose(np.sort(left_out["mean"]), np.sort(expected))


def test_many_patients_are_left_out_in_groups() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    left_out = resample(mean_of(values), patients=1000, rows=1000, replicates=2, seed=1).left_out
    assert len(left_out["mean"]) == bootstrap.GROUPS
    assert left_out["mean"].mean() == pytest.approx(values.mean())


@pytest.mark.parametrize("images_per_patient", [1, 3])
def test_the_size_of_the_pieces_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, drawn_rows: Callable[..., ScoredRows], images_per_patient: int
) -> None:
    rows = drawn_rows(90, images_per_patient=images_per_patient)
    found = []
    for chunk in (1, 1000, 10**6):
        monkeypatch.setattr(bootstrap, "CHUNK", chunk)
        found.append(
            resample(statistics_of(rows), patients=rows.n_patients, rows=90, replicates=30, seed=5)
        )
    for other in found[1:]:
        for name, values in found[0].replicates.items():
            np.testing.assert_allclose(other.replicates[name], values)
            np.testing.assert_allclose(other.left_out[name], found[0].left_out[name])


def test_more_replicates_take_no_more_memory_than_a_number_a_figure() -> None:
    values = np.random.default_rng(0).normal(size=40)

    def statistics(weights: Ints) -> dict[str, Floats]:
        mean = weights @ values / 40
        return {"mean": mean, "curve": np.repeat(mean[:, None], 201, axis=1)}

    few, many = (
        resample(statistics, patients=40, rows=40, replicates=n, seed=1)
        for n in (bootstrap.CURVES, 10 * bootstrap.CURVES)
    )
    assert len(many.replicates["mean"]) == 10 * bootstrap.CURVES
    np.testing.assert_allclose(many.replicates["curve"], few.replicates["curve"])
    assert not len(many.left_out["curve"])
