"""Whole runs on a cohort of bright spots: what is promised of the run folder holds."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import read_detection
from greenstick.evidence.evidence import read_evidence
from greenstick.experiments import fitting
from greenstick.models.checkpoint import load_checkpoint
from greenstick.models.familiar import read_familiar

ONE_EPOCH = {"epochs": 1}


@pytest.fixture(scope="module")
def finished(
    spots: Path, tmp_path_factory: pytest.TempPathFactory, experiment_on: Any, run: Any
) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "spots"
    run(experiment_on(spots, decision={"doubt": True}), folder)
    return folder


def test_boxes_of_heat_maps_are_judged_where_there_are_true_ones(finished: Path) -> None:
    evidence = read_detection(finished / "heat_boxes.json")
    found = pl.read_parquet(finished / "heat_boxes.parquet")
    tested = pl.read_parquet(finished / "scores.parquet").filter(split="test")
    assert evidence.n_images == tested["image"].n_unique()
    assert evidence.n_predictions == found.height
    assert evidence.n_boxes == tested["label"].sum()


def test_a_run_leaves_everything_that_was_promised(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "experiment.toml",
        "cohort.parquet",
        "dropped.parquet",
        "audit.json",
        "splits.parquet",
        "environment.json",
        "history.parquet",
        "scores.parquet",
        "explanations.parquet",
        "heat_boxes.parquet",
        "heat_boxes.json",
        "evidence.json",
        "overlays",
        "overlays.parquet",
        "models",
        "models.parquet",
    }


def test_a_model_keeps_what_is_familiar_to_it(finished: Path) -> None:
    (folder,) = (finished / "models").iterdir()
    known = read_familiar(folder)
    assert known is not None
    assert (known.chosen_on, known.false_alarms) == ("valid", 0.01)


def test_no_patient_is_on_two_sides(finished: Path) -> None:
    splits = pl.read_parquet(finished / "splits.parquet")
    patients = read_cohort(finished / "cohort.parquet").table.select("image", "patient")
    sides = splits.join(patients, on="image").group_by("patient").agg(pl.col("split").n_unique())
    assert sides["split"].max() == 1


def test_what_was_fitted_was_fitted_on_validation_rows(finished: Path) -> None:
    evidence = read_evidence(finished / "evidence.json")
    valid = pl.read_parquet(finished / "scores.parquet").filter(split="valid")
    assert evidence.operating_point is not None
    assert (evidence.operating_point.chosen_on, evidence.operating_point.n) == ("valid", len(valid))
    assert evidence.calibrator is not None
    assert evidence.calibrator.fitted_on == "valid"
    assert not evidence.untrue


def test_the_spots_are_learned_and_found(finished: Path) -> None:
    evidence = read_evidence(finished / "evidence.json")
    assert (evidence.estimate("AUROC").value or 0) > 0.8
    assert {group.column for group in evidence.subgroups} == {"site"}
    assert evidence.localisation


def test_the_card_holds_what_a_reader_needs(finished: Path) -> None:
    model, card = load_checkpoint(finished / "models" / "test_resnet")
    evidence = read_evidence(finished / "evidence.json")
    assert evidence.operating_point is not None
    assert card.operating_points[0].threshold == evidence.operating_point.threshold
    assert card.canvas_px == 64
    assert card.training_data.n_images > 0
    assert not model.training
    assert (finished / "models" / "test_resnet" / "model.onnx").is_file()


def test_three_answers_are_judged_by_the_limits_that_a_reader_gets(finished: Path) -> None:
    _, card = load_checkpoint(finished / "models" / "test_resnet")
    limits = {point.rule: point.threshold for point in card.operating_points[1:]}
    test = pl.read_parquet(finished / "scores.parquet").filter(split="test")
    between = test["score"].is_between(limits["sensitivity"], limits["specificity"], closed="left")
    evidence = read_evidence(finished / "evidence.json")
    triage = {one.name: one.value for one in evidence.triage}
    assert triage["doubt rate"] == pytest.approx(between.mean())
    normals = test.filter(label=0)
    assert triage["specificity"] == pytest.approx((normals["score"] < limits["specificity"]).mean())


def test_conformal_sets_are_judged_too(finished: Path) -> None:
    found = {one.name: one.value for one in read_evidence(finished / "evidence.json").conformal}
    shares = [found[name] for name in ("one answer", "both possible", "neither possible")]
    assert sum(share or 0 for share in shares) == pytest.approx(1.0)


def test_environment_tells_versions_and_times(finished: Path) -> None:
    environment = json.loads((finished / "environment.json").read_text())
    assert {"torch", "greenstick", "cores", "seconds of training"} <= set(environment)


def test_an_interrupted_run_goes_on_and_ends_the_same(
    spots: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    experiment_on: Any,
    run: Any,
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "save_checkpoint", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(experiment_on(spots), folder)
    assert not (folder / "evidence.json").exists()
    first = json.loads((folder / "environment.json").read_text())["seconds of training"]
    run(experiment_on(spots), folder)
    assert json.loads((folder / "environment.json").read_text())["seconds of training"] > first > 0
    again, before = (pl.read_parquet(f / "scores.parquet") for f in (folder, finished))
    assert again.drop("image").equals(before.drop("image"))


def test_what_the_audit_refuses_is_dropped_with_its_reason(
    spots: Path, tmp_path: Path, experiment_on: Any, run: Any
) -> None:
    cohort = read_cohort(spots)
    broken = tmp_path / "broken.png"
    broken.write_bytes((spots.parent / "000.png").read_bytes()[:300])
    row = cohort.table.head(1).with_columns(image=pl.lit(str(broken)), patient=pl.lit("P99"))
    both = cohort.with_table(pl.concat([cohort.table, row]))
    write_cohort(both, tmp_path / "cohort.parquet")
    strict = experiment_on(tmp_path / "cohort.parquet", audit={"on_error": "stop"})
    with pytest.raises(GreenstickError, match="audit"):
        run(strict, tmp_path / "stopped")
    run(experiment_on(tmp_path / "cohort.parquet", recipe=ONE_EPOCH), tmp_path / "run")
    dropped = pl.read_parquet(tmp_path / "run" / "dropped.parquet")
    assert dropped["image"].to_list() == ["broken.png"]
    assert dropped["reason"][0].startswith("undecodable")


def test_a_cohort_none_of_whose_images_takes_part_is_told(
    spots: Path, tmp_path: Path, experiment_on: Any, run: Any
) -> None:
    cohort = read_cohort(spots)
    unknown = cohort.table.with_columns(label=pl.lit(None, pl.Int8))
    write_cohort(cohort.with_table(unknown), tmp_path / "cohort.parquet")
    for _ in range(2):  # nothing is left behind that would hold once they have labels
        with pytest.raises(GreenstickError, match="None of the 60 images"):
            run(experiment_on(tmp_path / "cohort.parquet"), tmp_path / "run")


def test_one_class_only_is_refused(
    spots: Path, tmp_path: Path, experiment_on: Any, run: Any
) -> None:
    cohort = read_cohort(spots)
    healthy = cohort.with_table(cohort.table.filter(pl.col("label") == 0))
    write_cohort(healthy, tmp_path / "cohort.parquet")
    with pytest.raises(GreenstickError, match="one class"):
        run(experiment_on(tmp_path / "cohort.parquet"), tmp_path / "run")
