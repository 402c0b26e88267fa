"""A threshold tuned on the judged rows is flagged, however it is brought in by the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.decision.operating_points import choose_operating_point


def drawn(n: int, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    label = (generator.random(n) < 0.4).astype(int)
    score = 1 / (1 + np.exp(-generator.normal(1.5 * label, 1)))
    return pl.DataFrame(
        {"image": [f"{seed}-{i}" for i in range(n)], "label": label, "score": score}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("leaks")
    test = drawn(120, 1)
    test.write_csv(path / "test.csv")
    drawn(120, 2).write_csv(path / "valid.csv")
    test.sample(fraction=1.0, shuffle=True, seed=0).write_csv(path / "said-to-be-valid.csv")
    test.head(60).write_csv(path / "a-half.csv")
    tuned = choose_operating_point(test["label"], test["score"], chosen_on="x").threshold
    (path / "tuned.txt").write_text(repr(tuned))
    called = test.with_columns(decision=pl.col("score") >= tuned)
    called.write_csv(path / "called.csv")
    called.with_columns(score=pl.col("score") ** 2).write_csv(path / "rival.csv")
    return path


def ran(*words: str | Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def codes(found: dict[str, Any]) -> set[str]:
    return {one["code"] for one in found["findings"] if one["severity"] in ("error", "warning")}


@pytest.mark.parametrize("rows", ["test", "said-to-be-valid", "a-half"])
def test_choosing_on_the_judged_rows_is_an_error(folder: Path, tmp_path: Path, rows: str) -> None:
    chosen = ("--choose-on", folder / f"{rows}.csv")
    found = ran("evaluate", folder / "test.csv", "-o", tmp_path, *chosen)
    assert "threshold-chosen-on-evaluated-rows" in codes(found)
    assert 'class="grave"' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_choosing_on_other_rows_is_not(folder: Path, tmp_path: Path) -> None:
    chosen = ("--choose-on", folder / "valid.csv")
    assert not codes(ran("evaluate", folder / "test.csv", "-o", tmp_path, *chosen))


def test_a_tuned_threshold_typed_again_is_suspected_by_every_verb(
    folder: Path, tmp_path: Path
) -> None:
    tuned = ("--threshold", (folder / "tuned.txt").read_text())
    test = folder / "test.csv"
    suspected = "threshold-fits-evaluated-rows"
    assert suspected in codes(ran("evaluate", test, "-o", tmp_path / "e", *tuned))
    compared = ran("compare", test, folder / "rival.csv", "-o", tmp_path / "c", *tuned)
    assert suspected in codes(compared["pairs"][0])
    ratings = pl.read_csv(test).with_columns(
        reader=pl.lit("ann"), score=(pl.col("score") > 0.6).cast(pl.Int8)
    )
    ratings.write_csv(tmp_path / "r.csv")
    study = ran("readers", tmp_path / "r.csv", "-o", tmp_path / "r", "--scores", test, *tuned)
    assert suspected in codes(study["model"])


def test_calls_of_a_tuned_threshold_are_suspected(folder: Path, tmp_path: Path) -> None:
    called, rival = folder / "called.csv", folder / "rival.csv"
    suspected = "calls-fit-evaluated-rows"
    assert suspected in codes(ran("evaluate", called, "-o", tmp_path / "e"))
    compared = ran("compare", called, rival, "-o", tmp_path / "c")
    assert suspected in codes(compared["pairs"][0])
