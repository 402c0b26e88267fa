"""Settings are searched inside the training part; learning curves show what more patients give."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from greenstick.cohorts.cohort import read_cohort
from greenstick.cohorts.splits import split_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.evidence import read_evidence
from greenstick.experiments.experiment import check_experiment, read_experiment, write_experiment
from greenstick.experiments.folds import Key, plan_folds
from greenstick.experiments.jobs import DONE, Done, Job, write_record
from greenstick.experiments.learning_curve import (
    CurvePoint,
    LearningCurves,
    fit_power_law,
    share_jobs,
)
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.searching import Grid, Tpe, search
from greenstick.experiments.sections import Range
from greenstick.models.card import read_card

SPACE = {"recipe.lr": [3e-3, 1e-6], "recipe.weight_decay": [0.0, 0.1, 0.02]}


@pytest.fixture(scope="module")
def searched(
    spots: Path, tmp_path_factory: pytest.TempPathFactory, experiment_on: Any, run: Any
) -> Path:
    experiment = experiment_on(
        spots,
        recipe={"epochs": 2},
        search={"method": "grid", "space": SPACE, "at_once": 3},
        learning_curve={"shares": [0.3, 0.6]},
    )
    folder = tmp_path_factory.mktemp("runs") / "searched"
    run(experiment, folder)
    return folder


def test_the_best_settings_are_the_ones_trained_with(searched: Path) -> None:
    trials = pl.read_parquet(searched / "trials.parquet")
    assert trials.height == 6
    done = trials.filter(state="done").sort("value", descending=True, maintain_order=True)
    history = pl.read_parquet(searched / "history.parquet")
    best = json.loads(done["params"][0])
    assert history["lr"].max() <= best["recipe.lr"] * 4.01  # the head's is four times as high
    assert best["recipe.lr"] == 3e-3


def test_a_trial_that_is_behind_is_broken_off(searched: Path) -> None:
    slow = pl.read_parquet(searched / "trials.parquet").filter(
        pl.col("params").str.contains("1e-06")
    )
    assert "pruned" in slow["state"].to_list()
    assert (
        slow.filter(state="pruned")["epochs"].to_list() == [1] * slow.filter(state="pruned").height
    )


def test_evidence_says_when_test_rows_were_first_scored(searched: Path) -> None:
    findings = {f.code: f for f in read_evidence(searched / "evidence.json").findings}
    environment = json.loads((searched / "environment.json").read_text())
    assert environment["no test row scored before"] in findings["settings-searched"].message


def test_a_learning_curve_has_a_point_a_share(searched: Path) -> None:
    text = (searched / "learning_curve.json").read_text()
    (curve,) = LearningCurves.model_validate_json(text).curves
    assert [point.share for point in curve.points] == [0.3, 0.6, 1.0]
    patients = [point.n_patients for point in curve.points]
    assert patients == sorted(patients)
    assert patients[0] == pytest.approx(0.3 * patients[2], abs=1)
    whole = read_evidence(searched / "evidence.json").estimate("AUROC")
    assert curve.points[-1].auroc.value == pytest.approx(whole.value)
    card = read_card(searched / "models" / "test_resnet")
    assert card.training_data.n_patients == patients[2]


def test_small_shares_lie_within_large_ones_and_test_rows_stay(
    spots: Path, experiment_on: Any
) -> None:
    cohort = read_cohort(spots)
    experiment = experiment_on(spots)
    from greenstick.cohorts.splits import split_cohort

    splits = split_cohort(cohort, experiment.split)
    (fold,) = plan_folds(cohort, splits, {Key("test_resnet", "test_resnet", 0, 0): experiment})
    images = {
        share: {
            split: set(job.images.filter(split=split)["image"])
            for split in ("train", "valid", "test")
        }
        for share, job in share_jobs(fold, cohort, [0.2, 0.5], 0).items()
    }
    for split in ("train", "valid"):
        assert images[0.2][split] < images[0.5][split] < images[1.0][split]
    assert images[0.2]["test"] == images[0.5]["test"] == images[1.0]["test"]


def _point(n: float, value: float, half: float = 0.001) -> CurvePoint:
    estimate = Estimate(
        name="AUROC",
        value=value,
        lower=value - half,
        upper=value + half,
        level=0.95,
        method="",
        n_images=1,
        n_patients=1,
    )
    return CurvePoint(share=1.0, n_patients=n, n_images=n, auroc=estimate)


def test_a_power_law_is_found_again() -> None:
    n = np.array([50, 100, 250, 500, 1000])
    law = fit_power_law([_point(float(k), 0.95 - 2.0 * float(k) ** -0.6) for k in n], seed=0)
    assert law is not None
    assert (law.limit, law.gain, law.rate) == pytest.approx((0.95, 2.0, 0.6), rel=1e-3)
    assert law.at_twice == pytest.approx(0.95 - 2.0 * 2000**-0.6, abs=1e-4)
    assert law.lower < law.at_twice < law.upper
    assert fit_power_law([_point(50.0, 0.7), _point(100.0, 0.8)], seed=0) is None


def test_a_grid_is_every_combination() -> None:
    grid = Grid({"a": (1, 2), "b": ("x", "y")})
    asked = [*grid.ask(3), *grid.ask(3)]
    assert asked == [{"a": a, "b": b} for a in (1, 2) for b in "xy"]
    assert grid.ask(3) == []


def test_tpe_nears_the_best_and_is_the_same_again() -> None:
    pytest.importorskip("optuna")

    def searched_with(sampler: Tpe) -> list[float]:
        found = []
        while asked := sampler.ask(4):
            lrs = [params["recipe.lr"] for params in asked]
            found += lrs
            sampler.tell([_done(-abs(np.log10(lr) + 3)) for lr in lrs])
        return found

    space = {"recipe.lr": Range(low=1e-6, high=1.0, log=True)}
    first, again = (searched_with(Tpe(space, trials=32, seed=1)) for _ in range(2))
    assert first == again
    assert len(first) == 32
    assert np.median(np.abs(np.log10(first[-8:]) + 3)) < 0.5


def _done(value: float) -> Done:
    return Done(
        digest="",
        weights_origin="",
        precision="",
        parameters=1,
        kept_epoch=0,
        epochs=1,
        valid_auroc=value,
        train_seconds=0.0,
    )


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"method": "grid"}, "needs a space"),
        ({"method": "grid", "space": {"recipe.lr": {"low": 1e-4, "high": 1}}}, "list of values"),
        ({"method": "grid", "space": {"recipe.canvas_px": [64]}}, "cannot be searched"),
        ({"method": "grid", "space": {"split.seed": [1, 2]}}, "cannot be searched"),
        ({"method": "grid", "space": {"recipe.lr": [0.1, -1.0]}}, "greater than 0"),
        ({"method": "grid", "space": {"recipe.learning_rate": [0.1]}}, "learning_rate"),
        ({"method": "grid", "space": {"recipe.lr.low": [0.1]}}, "is no setting"),
        ({"method": "tpe", "space": {"recipe.batch_size": {"low": 8, "high": 64}}}, "list its"),
        ({"method": "tpe", "space": {"recipe.lr": {"low": 1, "high": 0.1}}}, "'search.space.rec"),
    ],
)
def test_a_search_that_cannot_be_is_refused(search: dict[str, Any], said: str) -> None:
    with pytest.raises(GreenstickError, match=said):
        check_experiment({"cohort": "c", "search": search}, where="test")


def test_a_variant_has_a_search_of_its_own_unless_it_sets_what_is_searched() -> None:
    search = {"method": "grid", "space": {"recipe.lr": [1e-3, 1e-4]}}
    values: dict[str, Any] = {"cohort": "c", "search": search}
    values["variants"] = {"smooth": {"recipe.label_smoothing": 0.1}}
    experiment = check_experiment(values, where="test")
    assert experiment.variant("smooth").search == experiment.search
    values["variants"] = {"slow": {"recipe.lr": 1e-5}}
    with pytest.raises(GreenstickError, match=r"'slow' sets recipe\.lr, which is searched"):
        check_experiment(values, where="test")


class _Told:
    """In the place of a crew: it does each job at once, and keeps them."""

    def __init__(self, run: RunFolder) -> None:
        self.run, self.jobs = run, list[Job]()

    def do(self, jobs: Sequence[Job]) -> dict[str, str]:
        self.jobs += jobs
        for job in jobs:
            done = _done(0.7).model_copy(update={"digest": job.digest})
            write_record(done, self.run.work(job.name) / DONE)
        return {}


def test_trials_are_of_each_network_on_what_it_may_learn_from(
    spots: Path, tmp_path: Path, experiment_on: Any
) -> None:
    experiment = experiment_on(
        spots,
        model={"restorer": {"scales": [1]}},
        search={"method": "grid", "space": {"recipe.lr": [3e-3, 1e-3]}},
        variants={"few": {"labels.fracture_share": 0.5}, "memory": {"model.peer": "memory"}},
    )
    cohort, told = read_cohort(spots), _Told(RunFolder(tmp_path))
    splits = split_cohort(cohort, experiment.split)
    settled = {name: experiment.variant(name) for name in experiment.names}
    crew: Any = told
    tuned = search(told.run, settled, cohort, splits, crew)
    assert [key.name for key in tuned] == ["test_resnet", "few", "memory"]
    assert tuned[next(iter(tuned))].recipe.lr == 3e-3  # the first of equals
    names = [job.name for job in told.jobs]
    assert sum(name.startswith("restorer") for name in names) == 1  # all share it
    assert names[1:] == [f"{name}-trial00{n}" for name in ("test_resnet", "few") for n in (0, 1)]
    whole, few = (
        job.images.join(cohort.table, on="image").filter(label=1)["patient"].n_unique()
        for job in told.jobs[2:4]
    )
    assert few == pytest.approx(whole / 2, abs=1)


def test_a_search_is_written_and_read_again(tmp_path: Path) -> None:
    space = {"recipe.lr": {"low": 1e-5, "high": 1e-2, "log": True}, "recipe.epochs": [2, 3]}
    values = {"cohort": "c", "search": {"method": "tpe", "space": space}}
    experiment = check_experiment(values, where="test")
    write_experiment(experiment, tmp_path / "e.toml")
    assert read_experiment(tmp_path / "e.toml").search == experiment.search
