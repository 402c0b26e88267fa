import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from greenstick.evidence.comparisons import compare_all, contenders_of, write_comparisons
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.evidence import evaluate, write_evidence
from greenstick.evidence.rows import to_rows
from greenstick.reports.backbones import standings
from greenstick.reports.contents import read_contents
from greenstick.reports.page import write_report

MODELS = {"resnet18": 0.0, "mobilenetv3": 1.0, "efficientnet_b0": 0.5}


def several(run: Path) -> Path:
    """Give a run of folds three backbones, a learning curve and trials."""
    rng = np.random.default_rng(0)
    rows = pl.read_parquet(run / "scores.parquet")
    noisy = [
        rows.with_columns(
            model=pl.lit(name),
            score=(1 / (1 + (-(rows["logit"] + rng.normal(0, 1e-6 + noise, len(rows)))).exp())),
        )
        for name, noise in MODELS.items()
    ]
    scores = pl.concat(noisy)
    scores.write_parquet(run / "scores.parquet")
    test = scores.filter(split="test")
    for (name,), part in test.group_by("model", maintain_order=True):
        evidence = evaluate(part, rows="test", replicates=20)
        write_evidence(evidence, run / "evidence" / f"{name}.json")
        if name == "resnet18":
            write_evidence(evidence, run / "evidence.json")
    found = compare_all(contenders_of({"all": test.drop("decision", strict=False)}), replicates=20)
    write_comparisons(found, run / "comparison.json")
    pl.DataFrame(
        {
            "model": list(MODELS),
            "backbone": list(MODELS),
            "networks": [1, 1, 2],
            "parameters": [11_000_000, 1_500_000, 8_000_000],
            "ms_per_image": [20.0, 5.0, 31.0],
            "train_seconds": [900.0, 300.0, 1500.0],
            "weights_origin": ["hub", "hub", "from scratch"],
        }
    ).write_parquet(run / "models.parquet")
    area = auroc(to_rows(test.filter(model="resnet18")), 0.95).model_dump()
    law = {"limit": 0.95, "gain": 0.5, "rate": 0.6, "patients_at_twice": 200, "at_twice": 0.931}
    points = [
        {"share": s, "n_patients": 100 * s, "n_images": 150 * s, "auroc": area}
        for s in (0.25, 0.5, 1.0)
    ]
    curve = {"model": "resnet18", "points": points, "law": {**law, "lower": 0.9, "upper": 0.94}}
    (run / "learning_curve.json").write_text(json.dumps({"curves": [curve]}))
    pl.DataFrame(
        {
            "model": ["resnet18"] * 4,
            "repeat": [0] * 4,
            "fold": [0, 0, 1, 1],
            "trial": [0, 1, 0, 1],
            "params": [json.dumps({"recipe.lr": lr}) for lr in (0.1, 0.001, 0.1, 0.001)],
            "value": [0.7, 0.812, None, 0.79],
            "state": ["done", "done", "failed", "pruned"],
            "epochs": [2, 2, 0, 1],
            "seconds": [10.0, 11.0, 1.0, 6.0],
        }
    ).write_parquet(run / "trials.parquet")
    return run


@pytest.fixture(scope="module")
def run(draw_run, tmp_path_factory) -> Path:
    return several(draw_run(tmp_path_factory.mktemp("runs") / "several", patients=200, folds=5))


@pytest.fixture(scope="module")
def html(run) -> str:
    return write_report(run).read_text(encoding="utf-8")


def test_ranks_are_those_of_scipy_on_scikit_learns_areas(run):
    contents = read_contents(run)
    found = {one.name: one for one in standings(contents.scores, contents.evidence)}
    test = contents.scores.filter(split="test")
    names = sorted(MODELS)
    ranks = []
    for (_,), fold in test.sort("fold").group_by("fold", maintain_order=True):
        parts = [fold.filter(model=name) for name in names]
        ranks.append(rankdata([-roc_auc_score(p["label"], p["score"]) for p in parts]))
    for i, name in enumerate(names):
        assert found[name].ranks == [place[i] for place in ranks]
        assert found[name].mean_rank == pytest.approx(np.mean([place[i] for place in ranks]))
    assert sum(one.first for one in found.values()) == pytest.approx(1)
    assert max(found.values(), key=lambda one: one.first).name == "resnet18"


def test_backbones_that_are_equal_share_the_first_place(run):
    contents = read_contents(run)
    one = contents.scores.filter(model="resnet18")
    both = pl.concat([one, one.with_columns(model=pl.lit("twin"))])
    assert [s.first for s in standings(both, contents.evidence)] == [0.5, 0.5]
    assert [s.mean_rank for s in standings(both, contents.evidence)] == [1.5, 1.5]


def test_costs_pairs_and_ranks_are_shown(html):
    assert "11,000,000" in html
    assert 'aria-label="AUROC over milliseconds an image. ' in html
    assert "mobilenetv3: 5.000, AUROC" in html
    assert "How stable the order is" in html
    assert "Corrected p: Holm (1979)" in html
    assert "mobilenetv3 − resnet18" in html
    assert 'href="#backbones"' in html
    assert "The numbers are those of resnet18, one of 3 networks." in html


def test_learning_curve_and_trials_are_shown(html):
    assert "With 200 patients, twice as many, it foretells an AUROC of 0.931" in html
    assert "4 trials: 2 done, 1 failed, 1 pruned." in html
    assert "recipe.lr = 0.001" in html
    assert html.index("recipe.lr = 0.001") < html.index("recipe.lr = 0.1")
    assert "only the test rows' count" in html


def test_a_run_of_one_backbone_has_none_of_these(draw_run, tmp_path):
    html = write_report(draw_run(tmp_path / "one", patients=60)).read_text(encoding="utf-8")
    for name in ("backbones", "learning-curve", "trials"):
        assert f'id="{name}"' not in html
        assert f'href="#{name}"' not in html
