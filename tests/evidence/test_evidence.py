import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenstick import RESEARCH_USE
from greenstick.decision.calibration import Temperature, fit_temperature
from greenstick.decision.operating_points import (
    OperatingPoint,
    choose_operating_point,
    given_point,
)
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import Evidence, evaluate, read_evidence, write_evidence
from greenstick.findings import Severity

Draw = Callable[..., pl.DataFrame]


def judged(table: pl.DataFrame, **settings: object) -> Evidence:
    return evaluate(table, **{"rows": "test", "replicates": 60, **settings})


def severity(evidence: Evidence, code: str) -> Severity | None:
    return next((f.severity for f in evidence.findings if f.code == code), None)


def chosen(table: pl.DataFrame, **settings: object) -> OperatingPoint:
    settings = {"chosen_on": "valid", **settings}
    return choose_operating_point(table["label"], table["score"], **settings)


def test_everything_promised_is_there(scores_table: Draw) -> None:
    point = chosen(scores_table(seed=1))
    found = judged(scores_table(), point=point, subgroups=["site"])
    names = [e.name for e in found.discrimination + found.calibration + found.at_operating_point]
    assert names == [
        *("AUROC", "AUROC", "average precision", "Brier score", "log loss"),
        *("ECE", "ECE, debiased", "ECE (equal mass)", "ECE (equal mass), debiased"),
        *("MCE", "MCE, debiased", "calibration slope", "calibration intercept"),
        *("sensitivity", "specificity", "PPV", "NPV", "F1", "accuracy", "balanced accuracy"),
        *("MCC", "Cohen's kappa", "LR+", "LR-"),
    ]
    for name in names:
        e = found.estimate(name)
        assert e.lower <= e.value <= e.upper, name
        assert e.method
    assert found.research_use == RESEARCH_USE
    assert (found.n_images, found.n_patients, found.rows) == (300, 300, "test")
    assert found.operating_point == point
    assert {s.value for s in found.subgroups} == {"north", "south"}
    assert sum(b.n for b in found.reliability) == 300
    assert len(found.roc.x) == len(found.roc.upper) == 201
    assert not found.untrue


def test_what_is_asked_for_is_added(scores_table: Draw) -> None:
    found = judged(
        scores_table(), point=given_point(0.4), prevalence=0.02, specificities=(0.8, 1.0)
    )
    partial = found.estimate("partial AUROC (specificity 0.80 to 1.00)")
    assert 0.5 < partial.lower < partial.value < partial.upper < 1
    assert found.estimate("PPV at prevalence 0.02").value < found.estimate("PPV").value


def test_evidence_survives_its_file(scores_table: Draw, tmp_path: Path) -> None:
    table = scores_table()
    temperature = fit_temperature(table["logit"], table["label"], fitted_on="valid")
    found = judged(
        scores_table(seed=2), point=chosen(table), calibration=temperature, subgroups=["site"]
    )
    write_evidence(found, tmp_path / "deep" / "evidence.json")
    assert read_evidence(tmp_path / "deep" / "evidence.json") == found
    raw = (tmp_path / "deep" / "evidence.json").read_text()
    assert json.loads(raw, parse_constant=pytest.fail)["research_use"] == RESEARCH_USE


def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="no"):
        read_evidence(tmp_path / "none.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(GreenstickError, match="version 1"):
        read_evidence(tmp_path / "other.json")


def test_same_seed_same_evidence(scores_table: Draw) -> None:
    table = scores_table()
    assert judged(table, seed=3) == judged(table, seed=3)
    assert judged(table, seed=3) != judged(table, seed=4)


def test_the_order_of_the_rows_does_not_matter(scores_table: Draw) -> None:
    table = scores_table(images_per_patient=2)
    mixed = table.sample(fraction=1, shuffle=True, seed=1)
    point = given_point(0.4)
    a, b = judged(table, point=point), judged(mixed, point=point)
    for e in (a.estimate("AUROC"), *a.at_operating_point):
        other = b.estimate(e.name)
        assert (other.value, other.lower, other.upper) == pytest.approx((e.value, e.lower, e.upper))


def test_a_threshold_chosen_on_the_evaluated_rows_is_an_error(scores_table: Draw) -> None:
    table = scores_table()
    by_name = judged(table, point=chosen(scores_table(seed=1), chosen_on="Test "))
    by_content = judged(table, point=chosen(table, chosen_on="valid"))
    for found in (by_name, by_content):
        assert severity(found, "threshold-chosen-on-evaluated-rows") is Severity.ERROR
        assert found.untrue
    honest = judged(table, point=chosen(scores_table(seed=1)))
    assert severity(honest, "threshold-from-elsewhere") is Severity.PASSED


@pytest.mark.parametrize("theirs", [True, False])
def test_a_threshold_that_fits_too_well_is_suspected(scores_table: Draw, theirs: bool) -> None:
    table = scores_table()
    best = chosen(table).threshold
    if theirs:  # other tools take the lowest score that is still called
        best = table.filter(pl.col("score") >= best)["score"].min()
    found = judged(table, point=given_point(best))
    assert severity(found, "threshold-fits-evaluated-rows") is Severity.WARNING
    elsewhere = judged(table, point=given_point(best + 1e-6))
    assert severity(elsewhere, "threshold-fits-evaluated-rows") is None


def test_a_calibration_fitted_on_the_evaluated_rows_is_an_error(scores_table: Draw) -> None:
    table, other = scores_table(), scores_table(seed=1)
    leaks = [
        fit_temperature(other["logit"], other["label"], fitted_on="test"),
        fit_temperature(table["logit"], table["label"], fitted_on="valid"),
    ]
    for leak in leaks:
        found = judged(table, calibration=leak)
        assert severity(found, "calibration-fitted-on-evaluated-rows") is Severity.ERROR
    honest = fit_temperature(other["logit"], other["label"], fitted_on="valid")
    assert not judged(table, calibration=honest).untrue
    stuck = Temperature(value=20, fitted_on="valid", n=4, at_bound=True)
    found = judged(table, calibration=stuck)
    assert severity(found, "calibration-at-bound") is Severity.WARNING


def test_rows_of_several_splits_are_an_error(scores_table: Draw) -> None:
    table = scores_table().with_columns(split=pl.Series(["valid", "test"] * 150))
    assert severity(judged(table), "several-splits") is Severity.ERROR
    assert not judged(table.filter(split="test")).untrue


def test_patients_with_several_images_are_allowed_for(scores_table: Draw) -> None:
    table = scores_table(images_per_patient=4)
    found = judged(table, point=given_point(0.4), replicates=2000)
    blind = judged(table.drop("patient"), point=given_point(0.4), replicates=2000)
    assert severity(found, "patients-with-several-images") is Severity.NOTE
    assert severity(blind, "patients-unknown") is Severity.NOTE
    assert "Obuchowski" in found.estimate("AUROC").method
    assert (found.n_images, found.n_patients) == (300, 75)
    for name in ("AUROC", "Brier score", "accuracy"):
        a, b = found.estimate(name), blind.estimate(name)
        assert a.value == b.value
        assert a.upper - a.lower > b.upper - b.lower, name


def test_copies_of_every_row_do_not_narrow_any_interval(scores_table: Draw) -> None:
    table = scores_table(120)
    copies = pl.concat([table.with_columns(repeat=pl.lit(i)) for i in range(3)])
    once, many = (judged(t, point=given_point(0.4), replicates=3000) for t in (table, copies))
    assert many.n_images == once.n_images
    assert severity(many, "repeats-pooled") is Severity.NOTE
    for e in once.discrimination + once.calibration + once.at_operating_point:
        again = many.estimate(e.name)
        assert again.value == pytest.approx(e.value)
        assert again.upper - again.lower >= 0.95 * (e.upper - e.lower), e.name


def test_scores_beyond_0_and_1_are_ranked_but_not_calibrated(scores_table: Draw) -> None:
    table = scores_table()
    logits = table.with_columns(score=pl.col("logit"))
    found = judged(logits, point=given_point(0.0))
    assert severity(found, "scores-not-probabilities") is Severity.NOTE
    assert found.calibration == []
    assert found.reliability == []
    assert found.estimate("AUROC") == judged(table).estimate("AUROC")


def test_percentages_are_suspected(scores_table: Draw) -> None:
    found = judged(scores_table().with_columns(score=100 * pl.col("score")))
    remedies = [f.remedy for f in found.findings if f.code == "scores-not-probabilities"]
    assert remedies == ["If they are percentages, divide them by 100 (--percent)."]


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gets_what_can_be_said(scores_table: Draw, label: int) -> None:
    found = judged(scores_table().filter(label=label), point=given_point(0.4))
    assert severity(found, "one-class-only") is Severity.WARNING
    assert found.estimate("AUROC").value is None
    assert found.roc.x == []
    assert found.estimate("sensitivity" if label else "specificity").value is not None
    assert found.estimate("Brier score").value is not None
    assert Evidence.model_validate_json(found.model_dump_json()) == found


def test_a_constant_score_is_called_what_it_is(scores_table: Draw) -> None:
    found = judged(scores_table().with_columns(score=pl.lit(0.3)), point=given_point(0.5))
    assert severity(found, "constant-score") is Severity.WARNING
    assert found.estimate("AUROC").value == 0.5
    assert found.estimate("PPV").value is None


def test_few_patients_are_warned_of(scores_table: Draw) -> None:
    assert severity(judged(scores_table(20)), "too-few-patients") is Severity.WARNING
    found = judged(scores_table(200, steps=4))
    assert severity(found, "few-distinct-scores") is Severity.NOTE


def test_one_patient_breaks_nothing() -> None:
    table = pl.DataFrame(
        {"patient": ["p"] * 4, "label": [0, 1, 0, 1], "score": [0.1, 0.9, 0.5, 0.4]}
    )
    found = judged(table, point=given_point(0.45))
    assert found.estimate("AUROC").value == 0.75
    assert found.estimate("AUROC").upper - found.estimate("AUROC").lower > 0.5


def test_missing_values_are_refused_or_dropped_with_a_warning(scores_table: Draw) -> None:
    table = scores_table()
    broken = table.with_columns(
        score=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise("score"),
        label=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("label"),
    )
    with pytest.raises(GreenstickError, match="1 of 300 rows have no label"):
        judged(broken)
    found = judged(broken, missing="drop")
    assert found.n_images == 296
    assert severity(found, "missing-scores") is Severity.WARNING
    with pytest.raises(GreenstickError, match="no scores to judge"):
        judged(table.with_columns(score=pl.lit(None, dtype=pl.Float64)), missing="drop")


def test_an_image_without_a_name_is_one_of_its_own(scores_table: Draw) -> None:
    table = scores_table().drop("patient")
    nameless = table.with_columns(
        image=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise("image")
    )
    found = judged(nameless)
    assert (found.n_images, found.n_patients) == (300, 300)
    assert found.estimate("AUROC") == judged(table).estimate("AUROC")


@pytest.mark.parametrize("threshold", [-1.0, 50.0])
def test_a_threshold_beyond_all_scores_is_warned_of(scores_table: Draw, threshold: float) -> None:
    assert severity(judged(scores_table(), point=given_point(threshold)), "one-call-only") is (
        Severity.WARNING
    )
    usual = judged(scores_table(), point=given_point(0.5))
    assert "one-call-only" not in [finding.code for finding in usual.findings]


def test_splits_may_be_numbered(scores_table: Draw) -> None:
    found = judged(scores_table().with_columns(split=pl.int_range(pl.len()) % 2))
    assert severity(found, "several-splits") is Severity.ERROR


@pytest.mark.parametrize("missing", ["refuse", "drop"])
def test_an_image_listed_twice_is_refused(scores_table: Draw, missing: str) -> None:
    table = scores_table()
    with pytest.raises(GreenstickError, match="another row lists too"):
        judged(pl.concat([table, table.head(2)]), missing=missing)


def test_words_as_labels_and_several_models_are_refused(scores_table: Draw) -> None:
    table = scores_table()
    with pytest.raises(GreenstickError, match="Labels must be 0 or 1"):
        judged(table.with_columns(label=pl.lit("yes")))
    models = pl.concat([table.with_columns(model=pl.lit(m)) for m in ("a", "b")])
    with pytest.raises(GreenstickError, match="2 models"):
        judged(models)
    assert judged(models.filter(model="a")).model == "a"


def test_each_fold_is_called_at_its_own_threshold(scores_table: Draw) -> None:
    table = scores_table().with_columns(fold=pl.int_range(pl.len()) % 2)
    points = [
        OperatingPoint(threshold=t, rule="youden", chosen_on=f"inside fold {f}", n=9, fold=f)
        for f, t in enumerate((0.3, 0.6))
    ]
    found = judged(table, point=points)
    calls = table["score"].to_numpy() >= np.where(table["fold"] == 0, 0.3, 0.6)
    assert found.confusion.tp == int((calls & (table["label"] == 1).to_numpy()).sum())
    assert found.operating_point is None
    assert found.operating_points == points
    assert severity(found, "folds-pooled") is Severity.NOTE
    by_column = judged(table.with_columns(decision=pl.Series(calls)), point=points)
    assert by_column.at_operating_point == found.at_operating_point


def test_rows_without_a_point_or_with_two_are_refused(scores_table: Draw) -> None:
    table = scores_table().with_columns(fold=pl.int_range(pl.len()) % 3)
    points = [
        OperatingPoint(threshold=0.3, rule="youden", chosen_on="valid", n=9, fold=f) for f in (0, 1)
    ]
    with pytest.raises(GreenstickError, match="100 rows have no operating point"):
        judged(table, point=points)
    with pytest.raises(GreenstickError, match="decision"):
        judged(table.with_columns(decision=pl.Series([True, None, False] * 100)))


def test_without_an_operating_point_nothing_is_called(scores_table: Draw) -> None:
    found = judged(scores_table())
    assert found.confusion is None
    assert found.at_operating_point == []
    assert severity(found, "threshold") is Severity.NOT_APPLICABLE
    with pytest.raises(GreenstickError, match="It holds: AUROC"):
        found.estimate("sensitivity")


def test_small_subgroups_are_marked(scores_table: Draw) -> None:
    table = scores_table().with_columns(
        site=pl.when(pl.int_range(pl.len()) < 15).then(pl.lit("rare")).otherwise(pl.lit("usual"))
    )
    found = {s.value: s for s in judged(table, subgroups=["site"]).subgroups}
    assert found["rare"].too_small
    assert not found["usual"].too_small
    assert found["rare"].n_images == 15
    assert [e.name for e in found["usual"].estimates] == ["AUROC"]
    ages = table.with_columns(
        age=pl.when(pl.col("site") == "rare").then(float("nan")).otherwise(9.0)
    )
    assert [s.n_images for s in judged(ages, subgroups=["age"]).subgroups] == [285]
    with pytest.raises(GreenstickError, match="no column 'age'"):
        judged(table, subgroups=["age"])


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 6), st.integers(0, 1), st.sampled_from([-2.0, 0.0, 0.2, 0.5, 1.0])
        ),
        min_size=1,
        max_size=12,
    ),
    threshold=st.sampled_from([-5.0, 0.0, 0.3, 1.0, 9.0]),
)
def test_any_scores_get_figures_that_hold_together(
    rows: list[tuple[int, int, float]], threshold: float
) -> None:
    patients, labels, scores = zip(*rows, strict=True)
    scores = [float(score) for score in scores]
    table = pl.DataFrame({"patient": [f"p{p}" for p in patients], "label": labels, "score": scores})
    found = judged(table, point=given_point(threshold), prevalence=0.1, replicates=20)
    for e in found.discrimination + found.calibration + found.at_operating_point:
        limits = [v for v in (e.lower, e.value, e.upper) if v is not None]
        assert np.isfinite(limits).all(), e
        assert limits == sorted(limits) or np.ptp(limits) < 1e-9 or "bootstrap" in e.method, e
    counts = found.confusion
    assert counts.tp + counts.fp + counts.fn + counts.tn == len(rows)
    assert Evidence.model_validate_json(found.model_dump_json()) == found
