"""Each published protocol becomes an experiment that can be read, planned and changed."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.cohorts.splits import split_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import read_evidence
from greenstick.experiments.experiment import read_experiment, with_settings
from greenstick.experiments.folds import folds_in, plan_folds
from greenstick.experiments.published import protocols, write_protocol

NAMES = ("fracture-types", "framework-cv", "rib-infant", "subtle-paediatric", "wrist-lateral")


def test_all_are_listed_with_what_is_published_and_what_differs() -> None:
    assert tuple(each.name for each in protocols()) == NAMES
    for each in protocols():
        assert each.title
        assert each.published
        assert each.differs


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_is_written_read_and_planned(name: str, spots: Path, tmp_path: Path) -> None:
    written = write_protocol(name, read_cohort(spots), spots, tmp_path / "e.toml", seed=3)
    text = (tmp_path / "e.toml").read_text(encoding="utf-8")
    assert "# assumed" in text
    assert "Research use only" in text
    experiment = read_experiment(tmp_path / "e.toml")
    assert experiment == written.model_copy(update={"cohort": str(spots.resolve())})
    assert (experiment.protocol, experiment.seed) == (name, 3)
    few = {"split.balanced_test": min(experiment.split.balanced_test, 5)}
    experiment, cohort = with_settings(experiment, few), read_cohort(spots)
    splits = split_cohort(cohort, experiment.split)
    tuned = {key: experiment for key, _ in folds_in(splits, experiment.model.names)}
    folds = plan_folds(cohort, splits, tuned)
    a_backbone = experiment.split.folds if experiment.split.method == "kfold" else 1
    assert len(folds) == a_backbone * len(experiment.model.names)


@pytest.mark.parametrize(
    ("name", "method"), [("fracture-types", "column"), ("framework-cv", "kfold")]
)
def test_a_cohort_keeps_its_split_where_the_protocol_has_one_too(
    spots: Path, tmp_path: Path, name: str, method: str
) -> None:
    cohort = read_cohort(spots)
    split = ["test" if i % 40 < 10 else "train" for i in range(len(cohort))]
    given = cohort.with_table(cohort.table.with_columns(split=pl.Series(split)))
    write_cohort(given, tmp_path / "cohort.parquet")
    path = tmp_path / "e.toml"
    write_protocol(name, given, tmp_path / "cohort.parquet", path)
    assert read_experiment(path).split.method == method


def test_an_unknown_protocol_is_refused_with_those_there_are(spots: Path, tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="rib-infant"):
        write_protocol("ribs", read_cohort(spots), spots, tmp_path / "e.toml")


def test_a_protocol_runs_from_its_file(spots: Path, tmp_path: Path, run: Any) -> None:
    write_protocol("wrist-lateral", read_cohort(spots), spots, tmp_path / "e.toml")
    small = {
        "split.balanced_test": 8,
        "model.backbone": "test_resnet",
        "model.weights": "none",
        "recipe.canvas_px": 64,
        "recipe.epochs": 1,
        "recipe.copies": 2,
        "recipe.precision": "32",
        "evidence.replicates": 200,
    }
    experiment = with_settings(read_experiment(tmp_path / "e.toml"), small)
    evidence = run(experiment, tmp_path / "run")
    assert (evidence.n_patients, evidence.operating_point.chosen_on) == (16, "valid")
    assert read_evidence(tmp_path / "run" / "evidence.json") == evidence
