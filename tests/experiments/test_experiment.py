"""Experiment files: read, checked, written with comments."""

from pathlib import Path

import polars as pl
import pytest

from greenstick.cohorts.cohort import Cohort, make_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.experiment import (
    Experiment,
    check_experiment,
    new_experiment,
    read_experiment,
    write_experiment,
)


def _cohort(folder: Path, **columns: list[object]) -> Cohort:
    table = pl.DataFrame({"image": ["a.png", "b.png"], "label": [0, 1], **columns})
    cohort = make_cohort(table, folder)
    write_cohort(cohort, folder / "cohort.parquet")
    return cohort


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    settings = {
        "name": "wrist",
        "cohort": "data/cohort.parquet",
        "recipe": {"epochs": 3, "augmentation": {"rotate_degrees": 5.0}},
        "decision": {"rule": "sensitivity", "target": 0.95},
        "evidence": {"subgroups": ["body_part"]},
    }
    experiment = check_experiment(settings, where="test")
    write_experiment(experiment, tmp_path / "e.toml")
    again = read_experiment(tmp_path / "e.toml")
    absolute = str((tmp_path / "data/cohort.parquet").resolve())
    assert again == experiment.model_copy(update={"cohort": absolute})


def test_every_setting_is_explained_in_the_file(tmp_path: Path) -> None:
    write_experiment(Experiment(cohort="c.parquet"), tmp_path / "e.toml")
    lines = (tmp_path / "e.toml").read_text(encoding="utf-8").splitlines()
    values = [line for line in lines if "=" in line and not line.startswith("#")]
    assert len(values) > 40
    assert [line for line in values if " # " not in line] == []
    assert "Research use only" in lines[0]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"cohort": "c", "recipe": {"epoch": 3}}, "'recipe.epoch': there is no such setting"),
        ({"cohort": "c", "recipe": {"epochs": 0}}, "recipe.epochs"),
        ({"cohort": "c", "decision": {"rule": "best"}}, "decision.rule"),
        ({"cohort": "c", "decision": {"rule": "sensitivity"}}, "'decision': target: .* needs"),
        ({"cohort": "c", "decision": {"rule": "specificity", "target": 95}}, "cannot be required"),
        ({"cohort": "c", "decision": {"rule": "youden", "target": 0.9}}, "takes no target"),
        ({"cohort": "c", "variants": {"a": {"recipe.lr.b": 1}}}, "^e.toml: recipe.lr.b is no"),
        ({"cohort": "c", "split": {"fractions": [0.5, 0.1, 0.1]}}, "fractions"),
        ({}, "cohort"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(GreenstickError, match=named):
        check_experiment(settings, where="e.toml")


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(GreenstickError, match="is not TOML"):
        read_experiment(tmp_path / "e.toml")
    with pytest.raises(GreenstickError, match="There is no experiment"):
        read_experiment(tmp_path / "absent.toml")
    with pytest.raises(GreenstickError, match="is a folder"):
        read_experiment(tmp_path)


def test_a_new_experiment_keeps_a_given_split(tmp_path: Path) -> None:
    given = _cohort(tmp_path, split=["train", "test"])
    file, path = tmp_path / "cohort.parquet", tmp_path / "e.toml"
    assert new_experiment(given, file, path).split.method == "column"
    free = _cohort(tmp_path)
    assert new_experiment(free, file, path).split.method == "holdout"


def test_a_new_experiment_names_its_cohort_from_where_it_lies(tmp_path: Path) -> None:
    cohort = _cohort(tmp_path)
    path = tmp_path / "experiments" / "e.toml"
    experiment = new_experiment(cohort, tmp_path / "cohort.parquet", path)
    assert experiment.cohort == "../cohort.parquet"
    write_experiment(experiment, path)
    assert Path(read_experiment(path).cohort) == (tmp_path / "cohort.parquet").resolve()


def test_weights_are_found_from_where_the_file_lies(tmp_path: Path) -> None:
    cohort, path = _cohort(tmp_path), tmp_path / "experiments" / "e.toml"
    given = {"weights": str(tmp_path / "w.pth")}
    experiment = new_experiment(cohort, tmp_path / "cohort.parquet", path, model=given)
    assert experiment.model.weights == "../w.pth"
    values = experiment.model_dump(exclude={"search", "variants"})
    values["search"] = {"method": "grid", "space": {"model.weights": ["auto", "c.pth"]}}
    write_experiment(check_experiment(values, where="test"), path)
    read = read_experiment(path)
    assert read.model.weights == str((tmp_path / "w.pth").resolve())
    assert read.search.space["model.weights"] == ("auto", str((path.parent / "c.pth").resolve()))
    del values["search"]
    values["variants"] = {"b": {"model.weights": "b.pth"}, "plain": {"model.weights": "none"}}
    write_experiment(check_experiment(values, where="test"), path)
    variants = read_experiment(path).variants
    assert variants["b"]["model.weights"] == str((path.parent / "b.pth").resolve())
    assert variants["plain"]["model.weights"] == "none"
