import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix

from greenstick.decision.operating_points import given_point
from greenstick.evidence.evidence import evaluate, read_evidence, write_evidence
from greenstick.reports.exploring import MOST, explore
from greenstick.reports.page import write_report

CHROMIUM = next(filter(shutil.which, ("chromium", "google-chrome", "chromium-browser")), None)


def scored(n: int, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.25).astype(np.int8)
    score = 1 / (1 + np.exp(-(rng.normal(0, 1.5, n) + 2 * label - 1)))
    return pl.DataFrame({"label": label, "score": score})


def exploration_of(table: pl.DataFrame, threshold: float | None):
    point = None if threshold is None else given_point(threshold)
    evidence = evaluate(table, point=point, rows="test", replicates=20)
    return explore(table["score"].to_numpy(), table["label"].to_numpy() == 1, evidence)


@pytest.mark.parametrize("n", [60, 4000])
def test_embedded_counts_are_those_of_scikit_learn(n):
    table = scored(n)
    found = json.loads(exploration_of(table, 0.4).to_json())
    assert sorted(found["thresholds"]) == found["thresholds"]
    for threshold, tp, fp in zip(found["thresholds"], found["tp"], found["fp"], strict=True):
        calls = table["score"].to_numpy() >= threshold
        (tn, wrong), (missed, right) = confusion_matrix(table["label"], calls, labels=[0, 1])
        assert (tp, fp) == (right, wrong)
        assert (found["positives"] - tp, found["negatives"] - fp) == (missed, tn)
    assert (found["tp"][0], found["fp"][0]) == (found["positives"], found["negatives"])
    assert (found["tp"][-1], found["fp"][-1]) == (0, 0)
    assert found["thresholds"][found["start"]] == 0.4


def test_many_scores_are_thinned_along_the_curve():
    found = exploration_of(scored(20_000), 0.4)
    assert len(found.thresholds) <= MOST + 3
    steps = np.abs(np.diff(np.array(found.curve), axis=0)).sum(axis=1)
    assert steps.max() < 0.02
    assert len(found.to_json()) < 20_000


def test_tied_scores_give_one_threshold_between_two():
    table = pl.DataFrame({"label": [0, 1, 0, 1, 1], "score": [0.2, 0.2, 0.6, 0.6, 0.9]})
    found = exploration_of(table, None)
    assert found.tp.tolist() == [3, 2, 1, 0]
    assert found.fp.tolist() == [2, 1, 0, 0]
    assert found.ring is None
    assert not found.reported


def test_calls_of_a_reader_are_the_ring_but_no_threshold():
    table = scored(80).with_columns(decision=pl.col("label") == 1)
    found = exploration_of(table, 0.4)
    assert found.ring == (0.0, 1.0)
    assert not found.reported


def test_one_class_has_nothing_to_explore():
    table = pl.DataFrame({"label": [0, 0, 0], "score": [0.1, 0.2, 0.3]})
    assert exploration_of(table, 0.2) is None


def test_the_page_embeds_numbers_and_no_names(draw_run, tmp_path):
    run = draw_run(tmp_path / "run", patients=60)
    html = write_report(run).read_text(encoding="utf-8")
    embedded = re.search(r'id="explore-counts">(.*?)</script>', html, re.DOTALL).group(1)
    assert set(embedded) <= set('{}[]":,.+-e0123456789thresoldpfinavgu')
    values = json.loads(embedded)
    evidence = read_evidence(run / "evidence.json")
    assert values["thresholds"][values["start"]] == evidence.operating_point.threshold
    assert values["tp"][values["start"]] == evidence.confusion.tp
    assert "Exploring on the held-out test rows: a threshold chosen here is not to be" in html
    assert "hidden" in re.search(r'<div id="explore"[^>]*>', html).group()


def test_folds_start_near_the_reported_calls(draw_run, tmp_path):
    run = draw_run(tmp_path / "run", patients=120, folds=5)
    html = write_report(run).read_text(encoding="utf-8")
    assert "which no single threshold makes" in html


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium to run the page's script")
def test_moving_the_slider_changes_every_number(tmp_path):
    table = scored(300)
    evidence = evaluate(table, point=given_point(0.4), rows="test", replicates=20)
    write_evidence(evidence, tmp_path / "evidence.json")
    table.with_columns(image=pl.Series(range(300))).write_parquet(tmp_path / "scores.parquet")
    html = write_report(tmp_path).read_text(encoding="utf-8")
    still = shown(html, "", tmp_path)
    assert still["class"] == "explore"
    assert int(still["tp"]) == evidence.confusion.tp
    assert still["sensitivity"] == f"{100 * evidence.estimate('sensitivity').value:.1f}%"
    counts = explore(table["score"].to_numpy(), table["label"].to_numpy() == 1, evidence)
    moved = shown(html, "move(20, 5);", tmp_path)
    tp, fp = counts.tp[20], counts.fp[20]
    sensitivity, alarms = tp / counts.positives, fp / counts.negatives
    ppv = sensitivity * 0.05 / (sensitivity * 0.05 + alarms * 0.95)
    npv = (1 - alarms) * 0.95 / ((1 - alarms) * 0.95 + (1 - sensitivity) * 0.05)
    assert moved["class"] == "explore moved"
    assert [int(moved[name]) for name in ("tp", "fp", "fn", "tn")] == [
        tp, fp, counts.positives - tp, counts.negatives - fp,
    ]  # fmt: skip
    assert moved["sensitivity"] == f"{100 * sensitivity:.1f}%"
    assert moved["specificity"] == f"{100 * (1 - alarms):.1f}%"
    assert (moved["ppv"], moved["npv"]) == (f"{100 * ppv:.1f}%", f"{100 * npv:.1f}%")
    assert float(moved["cx"]) == pytest.approx(200 * alarms)
    assert float(moved["cy"]) == pytest.approx(200 * (1 - sensitivity))
    assert shown(html, "move(20, 5); back();", tmp_path)["tp"] == still["tp"]
    assert shown(html, "move(20, 0);", tmp_path)["ppv"] == "–"


def shown(html: str, script: str, folder: Path) -> dict[str, str]:
    """Return what stands in the explorer after a script, as Chromium has it."""
    acts = """<script>
    function set(id, value) {
      const input = document.getElementById(id);
      input.value = value;
      input.dispatchEvent(new Event("input"));
    }
    function move(i, percent) { set("explore-threshold", i); set("explore-prevalence", percent); }
    function back() { document.getElementById("explore-back").click(); }
    """
    page = folder / "acted.html"
    page.write_text(html.replace("</body>", f"{acts}{script}</script></body>"), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
               f"--user-data-dir={folder / 'browser'}", page.as_uri()]  # fmt: skip
    environment = {**os.environ, "HOME": str(folder)}
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True, env=environment
    ).stdout
    found = dict(re.findall(r'data-(?:count|share)="(\w+)">([^<]*)<', told))
    dot = re.search(r'<circle id="explore-dot"[^>]*>', told).group()
    found |= dict(re.findall(r'(c[xy])="([^"]*)"', dot))
    found["class"] = re.search(r'<div id="explore" class="([^"]*)">', told).group(1)
    return found
