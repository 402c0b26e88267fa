"""Several backbones, seeds and inner folds in one experiment."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from greenstick.evidence.comparisons import read_comparisons
from greenstick.evidence.evidence import read_evidence
from greenstick.experiments.folds import folds_in, plan_folds
from greenstick.models.card import read_card

BACKBONES = ("test_resnet", "test_efficientnet")


@pytest.fixture(scope="module")
def several(
    spots: Path, tmp_path_factory: pytest.TempPathFactory, experiment_on: Any, run: Any
) -> Path:
    experiment = experiment_on(
        spots,
        model={"backbones": BACKBONES[1:], "seeds": 2},
        recipe={"epochs": 1},
        decision={"inner_folds": 2},
    )
    folder = tmp_path_factory.mktemp("runs") / "several"
    run(experiment, folder)
    return folder


def test_each_backbone_is_judged_and_every_pair_compared(several: Path) -> None:
    first, second = (read_evidence(several / "evidence" / f"{name}.json") for name in BACKBONES)
    assert read_evidence(several / "evidence.json") == first
    assert (first.model, second.model) == BACKBONES
    pair = read_comparisons(several / "comparison.json").pair(*BACKBONES)
    auroc = pair.difference("AUROC")
    assert (auroc.first, auroc.second) == tuple(e.estimate("AUROC").value for e in (first, second))


def test_what_a_backbone_costs_is_told(several: Path) -> None:
    costs = pl.read_parquet(several / "models.parquet")
    assert costs["model"].to_list() == list(BACKBONES)
    assert costs["networks"].to_list() == [2, 2]
    assert (costs.select("parameters", "ms_per_image", "train_seconds").min_horizontal() > 0).all()


def test_seeds_answer_as_one_and_their_spread_is_told(several: Path) -> None:
    card = read_card(several / "models" / "ensemble-test_resnet")
    assert [member.name for member in card.members] == ["test_resnet-seed0", "test_resnet-seed1"]
    scores = pl.read_parquet(several / "scores.parquet")
    assert (scores["spread"] > 0).mean() > 0.9
    assert np.allclose(scores["raw_score"], 1 / (1 + np.exp(-scores["logit"])))


def test_thresholds_come_from_inner_folds(several: Path) -> None:
    evidence = read_evidence(several / "evidence.json")
    splits = pl.read_parquet(several / "splits.parquet")
    inside = splits.filter(pl.col("split") != "test").height
    assert evidence.operating_point is not None
    assert evidence.operating_point.chosen_on == "inner folds of repeat 0, fold 0"
    assert evidence.operating_point.n == inside
    assert evidence.calibrator is not None
    assert evidence.calibrator.n == inside
    assert evidence.optimism
    assert not evidence.untrue


def test_inner_folds_know_no_test_row(spots: Path, experiment_on: Any) -> None:
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.cohorts.splits import split_cohort

    split = {"method": "kfold", "folds": 3, "repeats": 2}
    experiment = experiment_on(spots, split=split, decision={"inner_folds": 2})
    cohort = read_cohort(spots)
    splits = split_cohort(cohort, experiment.split)
    tuned = {key: experiment for key, _ in folds_in(splits, ["test_resnet"])}
    folds = plan_folds(cohort, splits, tuned)
    assert len(folds) == 6
    for fold in folds:
        test = set(fold.rows(cohort, "test")["image"])
        inner = [set(job.images["image"]) for part in fold.inner for job in part]
        assert len(inner) == 2
        assert all(not test & images for images in inner)
        held_out = [job.images.filter(split="test")["image"] for part in fold.inner for job in part]
        every = pl.concat(held_out)
        assert sorted(every) == sorted(fold.rows(cohort, "train", "valid")["image"])
