"""Cross-validation: all folds of all backbones, side by side or not, killed or not."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from greenstick.evidence.evidence import read_evidence
from greenstick.experiments import working
from greenstick.experiments.effort import Effort
from greenstick.experiments.experiment import Experiment
from greenstick.models.card import read_card
from greenstick.reading.reader import find_model

FOLDS = ("test_resnet-repeat0-fold0", "test_resnet-repeat0-fold1")


@pytest.fixture(scope="module")
def two_folds(spots: Path, experiment_on: Any) -> Experiment:
    split = {"method": "kfold", "folds": 2, "valid_fraction": 0.4}
    return experiment_on(spots, split=split, recipe={"epochs": 4}, decision={"doubt": True})


@pytest.fixture(scope="module")
def one_by_one(two_folds: Experiment, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "folds"
    run(two_folds, folder)
    return folder


def test_every_image_is_tested_once(one_by_one: Path) -> None:
    scores = pl.read_parquet(one_by_one / "scores.parquet").filter(split="test")
    assert sorted(scores["image"].str.slice(-7)) == sorted(f"{i:03d}.png" for i in range(60))
    assert scores["model"].unique().to_list() == ["test_resnet"]
    evidence = read_evidence(one_by_one / "evidence.json")
    assert [point.fold for point in evidence.operating_points] == [0, 1]
    assert not evidence.untrue


def test_each_fold_answers_by_limits_of_its_own(one_by_one: Path) -> None:
    test = pl.read_parquet(one_by_one / "scores.parquet").filter(split="test")
    between = []
    for fold, name in enumerate(FOLDS):
        points = read_card(one_by_one / "models" / name).operating_points[1:]
        limits = {point.rule: point.threshold for point in points}
        mine = test.filter(fold=fold)["score"]
        between.extend(mine.is_between(limits["sensitivity"], limits["specificity"], closed="left"))
    evidence = read_evidence(one_by_one / "evidence.json")
    doubt, *_ = evidence.triage
    assert (doubt.name, doubt.n_images) == ("doubt rate", 60)
    assert doubt.value == pytest.approx(sum(between) / 60)
    assert evidence.conformal[0].n_images == 60


def test_the_folds_make_a_model_to_read_with(one_by_one: Path) -> None:
    assert {path.name for path in (one_by_one / "models").iterdir()} == {*FOLDS, "ensemble"}
    card = read_card(find_model(one_by_one))
    assert [member.name for member in card.members] == list(FOLDS)
    assert card.calibration is not None
    assert (card.calibration.fitted_on, card.calibration.n) == ("out-of-fold rows", 60)


def test_side_by_side_with_one_killed_ends_the_same(
    two_folds: Experiment, one_by_one: Path, run: Any, tmp_path: Path
) -> None:
    killer = _Killer(tmp_path / "run" / "fits" / FOLDS[1])
    killer.start()
    evidence = run(two_folds, tmp_path / "run", Effort(jobs=2))
    killer.join()
    assert killer.epochs_kept >= 1  # it was in the middle of its training
    assert "incomplete" not in {finding.code for finding in evidence.findings}
    both = [pl.read_parquet(f / "scores.parquet") for f in (tmp_path / "run", one_by_one)]
    keys = ("logit", "score", "decision", "label", "split", "fold")
    assert both[0].select(keys).equals(both[1].select(keys))


class _Killer(threading.Thread):
    """Kills, once, the process that trains in a folder, as soon as an epoch is kept."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.epochs_kept = 0

    def run(self) -> None:
        until = time.monotonic() + 300  # processes start slowly on a busy machine
        while not (self.folder / "fit" / "resume.ckpt").exists() and time.monotonic() < until:
            time.sleep(0.005)
        pid = json.loads((self.folder / "standing.json").read_text())["pid"]
        assert pid != os.getpid()
        os.kill(pid, signal.SIGKILL)
        self.epochs_kept = pl.read_parquet(self.folder / "fit" / "history.parquet").height


def test_a_fold_that_fails_is_told_tried_again_and_left_out(
    two_folds: Experiment, one_by_one: Path, run: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    image, patient = "007.png", "P7"
    tried, real = [], working.do_job

    def fails(run_folder: Any, name: str, *rest: Any) -> None:
        tried.append(name)
        if name == FOLDS[0]:
            raise RuntimeError(f"out of memory at {image} of {patient}")
        real(run_folder, name, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(working, "do_job", fails)
        evidence = run(two_folds, tmp_path / "run")
    assert tried.count(FOLDS[0]) == 2
    finding = next(found for found in evidence.findings if found.code == "incomplete")
    assert "RuntimeError: out of memory at (hidden) of (hidden)" in finding.message
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert set(environment["failed fits"]) == {FOLDS[0]}
    log = (tmp_path / "run" / "fits" / FOLDS[0] / "log.txt").read_text()
    assert "in fails" in log
    assert patient not in log
    again = run(two_folds, tmp_path / "run")  # the same command: only what failed is done
    assert "incomplete" not in {finding.code for finding in again.findings}
    assert again.estimate("AUROC") == read_evidence(one_by_one / "evidence.json").estimate("AUROC")
