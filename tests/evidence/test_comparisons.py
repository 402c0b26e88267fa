from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import t
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from greenstick.decision.operating_points import given_point
from greenstick.errors import GreenstickError
from greenstick.evidence.comparisons import (
    Comparisons,
    Contender,
    compare_all,
    contenders_of,
    read_comparisons,
    write_comparisons,
)
from greenstick.evidence.evidence import evaluate
from greenstick.evidence.folds import FOLD_AUROC

Draw = Callable[..., pl.DataFrame]


def models(draw: Draw, n: int = 200) -> dict[str, pl.DataFrame]:
    table = draw(n).with_columns(fold=pl.int_range(pl.len()) % 5, repeat=pl.lit(0))
    noise = np.random.default_rng(4).normal(size=(3, n))
    return {
        name: table.with_columns(score=1 / (1 + (-(pl.col("logit") + scale * pl.Series(z))).exp()))
        for name, scale, z in zip("abc", (0.0, 1.0, 2.5), noise, strict=True)
    }


def compared(tables: dict[str, pl.DataFrame], *thresholds: float) -> Comparisons:
    return compare_all(contenders_of(tables, thresholds), replicates=50)


def test_every_pair_is_compared_and_corrected_within_each_figure(scores_table: Draw) -> None:
    found = compared(models(scores_table), 0.4)
    assert [(p.first, p.second) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    for name in ("AUROC", "sensitivity", "specificity", FOLD_AUROC):
        three = [pair.difference(name) for pair in found.pairs]
        expected = multipletests([d.p_value for d in three], method="holm")[1]
        assert [d.p_holm for d in three] == pytest.approx(expected)
    assert all(pair.difference("Brier score").p_holm is None for pair in found.pairs)


def test_a_single_pair_needs_no_correction(scores_table: Draw) -> None:
    tables = models(scores_table)
    found = compared({name: tables[name] for name in "ab"})
    assert found.pair("a", "b").difference("AUROC").p_holm is None
    with pytest.raises(GreenstickError, match="not compared in this order"):
        found.pair("b", "a")


def test_folds_are_compared_as_nadeau_and_bengio_have_it(scores_table: Draw) -> None:
    tables = models(scores_table)
    found = compared(tables).pair("a", "c").difference(FOLD_AUROC)
    areas = np.array(
        [
            [
                roc_auc_score(part["label"], part["score"])
                for part in (tables[name].filter(fold=fold) for name in "ac")
            ]
            for fold in range(5)
        ]
    )
    gaps = areas[:, 1] - areas[:, 0]
    error = np.sqrt(gaps.var(ddof=1) * (1 / 5 + 0.2 / 0.8))
    assert (found.first, found.second) == pytest.approx(tuple(areas.mean(axis=0)))
    assert found.p_value == pytest.approx(2 * t.sf(abs(gaps.mean()) / error, 4))
    assert found.upper == pytest.approx(gaps.mean() + t.ppf(0.975, 4) * error)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.drop("fold"),
        lambda t: t.with_columns(fold=9 - pl.col("fold")),
        lambda t: t.with_columns(fold=pl.lit(0)),
        lambda t: t.with_columns(fold=pl.col("label")),
    ],
    ids=["none", "others", "one", "of one class"],
)
def test_without_folds_in_common_these_are_not_compared(
    scores_table: Draw, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    tables = models(scores_table)
    changed = {"a": tables["a"], "b": change(tables["b"])}
    if "fold" in changed["b"].columns and changed["b"]["fold"].max() < 2:
        changed["a"] = change(tables["a"])
    names = [d.name for d in compared(changed).pairs[0].differences]
    assert FOLD_AUROC not in names
    assert "AUROC" in names


def test_a_table_of_several_models_holds_as_many(scores_table: Draw) -> None:
    tables = models(scores_table)
    together = pl.concat([t.with_columns(model=pl.lit(name)) for name, t in tables.items()])
    one = compared({"scores": together}, 0.4)
    assert one.models == ["a", "b", "c"]
    assert one.pairs[0].differences == compared(tables, 0.4).pairs[0].differences


def test_models_of_one_name_in_two_files_are_refused(scores_table: Draw) -> None:
    table = pl.concat([t.with_columns(model=pl.lit(n)) for n, t in models(scores_table).items()])
    with pytest.raises(GreenstickError, match="Two models are called a"):
        contenders_of({"ours": table, "theirs": table})


def test_each_model_may_have_a_threshold_of_its_own(scores_table: Draw) -> None:
    tables = models(scores_table)
    found = compared(tables, 0.3, 0.5, 0.7).pair("b", "c").difference("sensitivity")
    fractures = tables["b"].filter(label=1), tables["c"].filter(label=1)
    assert found.first == pytest.approx((fractures[0]["score"] >= 0.5).mean())
    assert found.second == pytest.approx((fractures[1]["score"] >= 0.7).mean())
    with pytest.raises(GreenstickError, match="2 thresholds for 3 models"):
        compared(tables, 0.3, 0.5)


def test_a_stated_threshold_overrides_decisions(scores_table: Draw) -> None:
    tables = {
        name: table.with_columns(decision=pl.lit(True))
        for name, table in models(scores_table).items()
    }
    assert compared(tables).pairs[0].difference("sensitivity").first == 1
    assert compared(tables, 0.5).pairs[0].difference("sensitivity").first < 1


def test_each_model_is_judged_on_the_images_that_all_judge(scores_table: Draw) -> None:
    tables = models(scores_table)
    shorter = {name: t.head(150) if name == "c" else t for name, t in tables.items()}
    found = compare_all(contenders_of(shorter, [0.4]), replicates=40, missing="drop")
    assert [one.name for one in found.each] == ["a", "b", "c"]
    for one in found.each:
        assert one.n_images == 150
        alone = evaluate(
            tables[one.name].head(150), point=given_point(0.4), rows="test", replicates=40
        )
        for name in ("AUROC", "sensitivity"):
            mine = next(e for e in one.estimates if e.name == name)
            assert mine == alone.estimate(name)
        assert one.net_benefit == alone.net_benefit
        assert one.roc.y == alone.roc.y


def test_a_model_without_patients_gets_those_of_the_others(scores_table: Draw) -> None:
    tables = models(scores_table)
    some = {"a": tables["a"].drop("patient"), "b": tables["b"]}
    found = compare_all(contenders_of(some), replicates=40)
    assert found.each[0].n_patients == found.each[1].n_patients == tables["b"]["patient"].n_unique()


def test_two_models_of_different_names_are_needed(scores_table: Draw) -> None:
    table = scores_table()
    for few in ([Contender("a", table)], [Contender("a", table), Contender("a", table)]):
        with pytest.raises(GreenstickError, match="two models of different names"):
            compare_all(few)


def test_comparisons_survive_json(scores_table: Draw, tmp_path: Path) -> None:
    found = compared(models(scores_table), 0.4)
    write_comparisons(found, tmp_path / "comparison.json")
    assert read_comparisons(tmp_path / "comparison.json") == found
    assert not found.untrue
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(GreenstickError, match="no comparison of version"):
        read_comparisons(tmp_path / "other.json")
    with pytest.raises(GreenstickError, match="There is no"):
        read_comparisons(tmp_path / "absent.json")
