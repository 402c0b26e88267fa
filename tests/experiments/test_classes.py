"""Experiments on several classes: each is judged, and so is a fracture of any kind."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, log_softmax, softmax

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import read_evidence
from greenstick.evidence.multiclass import read_class_evidence
from greenstick.experiments.classes import (
    fit_softmax_temperature,
    fracture_logits,
    with_headline,
)
from greenstick.experiments.experiment import check_experiment
from greenstick.models.card import read_card
from greenstick.models.settings import ClassifierSettings

KINDS = ("no fracture", "oblique", "spiral")


@pytest.fixture(scope="module")
def typed(spots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cohort whose fractures have one of two types, by patient."""
    cohort, folder = read_cohort(spots), tmp_path_factory.mktemp("typed")
    number = pl.col("patient").str.slice(1).cast(pl.Int32)
    kind = pl.when(number % 4 == 1).then(pl.lit(KINDS[1])).otherwise(pl.lit(KINDS[2]))
    of_fracture = pl.when(pl.col("label") == 1).then(kind)
    typed = cohort.with_table(cohort.table.with_columns(fracture_type=of_fracture))
    write_cohort(typed, folder / "cohort.parquet")
    return folder / "cohort.parquet"


@pytest.fixture(scope="module")
def finished(
    typed: Path, tmp_path_factory: pytest.TempPathFactory, experiment_on: Any, run: Any
) -> Path:
    experiment = experiment_on(
        typed,
        model={"classes": KINDS},
        recipe={"epochs": 3, "loss": "cross-entropy"},
        split={"fractions": [0.5, 0.25, 0.25], "stratify": ["label", "fracture_type"]},
    )
    folder = tmp_path_factory.mktemp("runs") / "typed"
    run(experiment, folder)
    return folder


def test_each_class_is_judged_by_what_was_fitted_on_validation_rows(finished: Path) -> None:
    evidence = read_class_evidence(finished / "classes.json")
    assert (evidence.kind, tuple(evidence.classes)) == ("multi-class", KINDS)
    assert not evidence.untrue
    for each in evidence.by_class.values():
        assert each.operating_point is not None
        assert each.operating_point.chosen_on == "valid"
        assert each.calibrator is not None
    scores = pl.read_parquet(finished / "classes.parquet")
    assert np.allclose(scores.select(f"score_{name}" for name in KINDS).sum_horizontal(), 1.0)


def test_a_fracture_of_any_kind_is_judged_too(finished: Path) -> None:
    evidence = read_evidence(finished / "evidence.json")
    assert not evidence.untrue
    assert evidence.n_positive == int(
        (pl.read_parquet(finished / "classes.parquet")["label"] != KINDS[0]).sum()
    )
    any_kind = pl.read_parquet(finished / "scores.parquet").filter(split="test")
    each = pl.read_parquet(finished / "classes.parquet")
    both = any_kind.join(each, on="image")
    assert np.allclose(both["score"], 1 - both[f"score_{KINDS[0]}"], atol=1e-6)


def test_the_card_has_a_threshold_for_a_fracture_and_for_each_class(finished: Path) -> None:
    card = read_card(finished / "models" / "test_resnet")
    assert [point.class_name for point in card.operating_points] == ["", *KINDS]


def test_a_fracture_is_whatever_is_not_no_fracture() -> None:
    rng = np.random.default_rng(0)
    logits, t = rng.normal(0, 3, (50, 3)), 1.7
    settings = ClassifierSettings(classes=KINDS)
    odds = fracture_logits(logits, settings, [t] * 3)
    assert np.allclose(expit(odds / t), 1 - softmax(logits / t, axis=1)[:, 0], atol=1e-6)
    any_of = ClassifierSettings(classes=KINDS, outputs="any-of")
    odds = fracture_logits(logits, any_of, [1.0, 2.0, 4.0])
    assert np.allclose(odds, np.maximum(logits[:, 1] / 2, logits[:, 2] / 4))


def test_the_softmax_temperature_is_the_one_of_least_loss() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1.5, (400, 3))
    shares = softmax(truth, axis=1)
    labels = np.array([rng.choice(3, p=share) for share in shares])
    logits = truth * 2.5  # too sure of itself by this factor
    found = fit_softmax_temperature(logits, labels, fitted_on="valid", images=[])

    def loss(t: float) -> float:
        return -float(log_softmax(logits / t, axis=1)[np.arange(400), labels].mean())

    best = min(np.linspace(0.5, 6, 2000), key=loss)
    assert found.value == pytest.approx(best, abs=0.01)
    assert found.value == pytest.approx(2.5, rel=0.2)


def test_among_fractures_alone_the_first_class_is_judged_against_the_rest(typed: Path) -> None:
    settings = ClassifierSettings(classes=KINDS[1:])
    cohort = read_cohort(typed)
    judged = with_headline(cohort, settings)
    kinds = cohort.table["fracture_type"].to_list()
    assert judged.table["label"].to_list() == [int(kind == KINDS[1]) for kind in kinds]
    assert judged.table["label"].dtype == cohort.table["label"].dtype
    logits = np.random.default_rng(2).normal(0, 3, (50, 2))
    odds = fracture_logits(logits, settings, [1.3] * 2)
    assert np.allclose(expit(odds / 1.3), softmax(logits / 1.3, axis=1)[:, 0], atol=1e-6)
    assert with_headline(cohort, ClassifierSettings(classes=KINDS)) is cohort


def test_a_cohort_of_fractures_alone_is_judged_class_by_class(
    typed: Path, tmp_path: Path, experiment_on: Any, run: Any
) -> None:
    cohort = read_cohort(typed)
    fractures = cohort.with_table(cohort.table.filter(pl.col("label") == 1))
    write_cohort(fractures, tmp_path / "cohort.parquet")
    experiment = experiment_on(
        tmp_path / "cohort.parquet",
        model={"classes": KINDS[1:]},
        recipe={"epochs": 1, "loss": "cross-entropy"},
        evidence={"overlays": 0},
    )
    evidence = run(experiment, tmp_path / "run")
    assert "class-in-place-of-fracture" in {finding.code for finding in evidence.findings}
    of_first = read_class_evidence(tmp_path / "run" / "classes.json").by_class[KINDS[1]]
    assert evidence.estimate("AUROC").value == of_first.estimate("AUROC").value
    card = read_card(tmp_path / "run" / "models" / "test_resnet")
    assert [point.class_name for point in card.operating_points] == list(KINDS[1:])


def test_backbones_may_not_be_named_twice() -> None:
    model = {"backbone": "resnet18", "backbones": ["resnet18"]}
    with pytest.raises(GreenstickError, match="named twice"):
        check_experiment({"cohort": "c", "model": model}, where="test")
