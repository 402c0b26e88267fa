"""Images without a label: learned from, never judged."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.experiments import fitting

LEARNED = {"epochs": 1, "unlabeled_weight": 1.0}


@pytest.fixture
def partly(spots: Path, tmp_path: Path) -> Path:
    """Return the file of the spots, of which every fourth patient's label is not known."""
    cohort = read_cohort(spots)
    number = pl.col("patient").str.strip_prefix("P").cast(pl.Int64)
    unknown = pl.when(number % 4 < 2).then(pl.col("label"))
    table = cohort.table.with_columns(label=unknown)
    # One labeled patient has an image without a label too.
    table = table.with_columns(
        patient=pl.when(pl.col("image") == "002.png").then(pl.lit("P1")).otherwise("patient")
    )
    path = spots.parent / "partly.parquet"
    write_cohort(cohort.with_table(table), path)
    return path


def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that fills with the data of each fit."""
    given: list[Any] = []
    honest = fitting.fit

    def fit(data: Any, *args: Any, **named: Any) -> Any:
        given.append(data)
        return honest(data, *args, **named)

    monkeypatch.setattr(fitting, "fit", fit)
    return given


def names(table: pl.DataFrame) -> set[str]:
    """Return the images' names: each folder has its own way to them."""
    return {Path(image).name for image in table["image"]}


def test_they_are_learned_from_but_not_those_of_judged_patients(
    partly: Path, tmp_path: Path, experiment_on: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = seen(monkeypatch)
    run(experiment_on(partly, recipe=LEARNED), tmp_path / "run")
    (data,) = given
    unlabeled = read_cohort(partly).table.filter(pl.col("label").is_null())
    kept = read_cohort(tmp_path / "run" / "unlabeled.parquet").table
    assert names(kept) == names(unlabeled)
    splits = pl.read_parquet(tmp_path / "run" / "splits.parquet")
    judged = splits.filter(pl.col("split") != "train").select("image")
    labeled = read_cohort(tmp_path / "run" / "cohort.parquet").table
    patients = labeled.join(judged, on="image")["patient"].to_list()
    free = unlabeled.filter(~pl.col("patient").is_in(patients))
    assert len(data.unlabeled) == free.height > 0
    assert set(data.unlabeled.labels.tolist()) == {-1}
    assert not names(pl.read_parquet(tmp_path / "run" / "scores.parquet")) & names(unlabeled)
    assert pl.read_parquet(tmp_path / "run" / "dropped.parquet").is_empty()


def test_without_weight_they_are_left_out_and_told_of(
    partly: Path, tmp_path: Path, experiment_on: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = seen(monkeypatch)
    run(experiment_on(partly, recipe={"epochs": 1}), tmp_path / "run")
    assert given[0].unlabeled is None
    dropped = pl.read_parquet(tmp_path / "run" / "dropped.parquet")
    assert set(dropped["reason"]) == {"no label"}
    assert not (tmp_path / "run" / "unlabeled.parquet").exists()
