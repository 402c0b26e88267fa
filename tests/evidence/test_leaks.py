"""A planted leak: thresholds and calibration tuned on the judged rows, through every door."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from greenstick.decision.calibration import fit_calibration, fit_temperature
from greenstick.decision.conformal import fit_conformal
from greenstick.decision.nested import fit_inside
from greenstick.decision.operating_points import (
    OperatingPoint,
    choose_operating_point,
    decide,
    given_point,
)
from greenstick.decision.triage import choose_triage
from greenstick.evidence.abstention import judge_conformal, judge_triage
from greenstick.evidence.comparison import compare
from greenstick.evidence.evidence import Evidence, evaluate
from greenstick.evidence.readers.study import judge_readers
from greenstick.evidence.rows import to_rows
from greenstick.findings import Severity

Draw = Callable[..., pl.DataFrame]


def other_rows(draw: Draw, **settings: object) -> pl.DataFrame:
    """Return rows that have nothing to do with the judged ones."""
    table = draw(seed=1, **settings)
    return table.with_columns(
        image="other " + pl.col("image"), patient="other " + pl.col("patient")
    )


def chosen_on(table: pl.DataFrame, rule: str = "youden", **settings: object) -> OperatingPoint:
    defaults = {"chosen_on": "valid", "images": table["image"].to_list()}
    return choose_operating_point(
        table["label"], table["score"], rule=rule, **{**defaults, **settings}
    )


def judged(table: pl.DataFrame, **settings: object) -> Evidence:
    return evaluate(table, **{"rows": "test", "replicates": 50, **settings})


def gravest(found: Evidence) -> tuple[bool, set[str]]:
    return found.untrue, {f.code for f in found.findings if f.severity is Severity.WARNING}


def by_its_name(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(other_rows(draw), chosen_on=" TEST")


def by_another_name(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(test, images=None)


def shuffled(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(test.sample(fraction=1.0, shuffle=True, seed=3), images=None)


def on_a_half_of_them(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(test.filter(pl.col("site") == "north"), images=None)


def on_them_and_others(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(pl.concat([test, other_rows(draw)]), images=None)


def on_them_under_other_image_names(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(test.with_columns(image="renamed " + pl.col("image")))


def on_their_images_scored_otherwise(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    return chosen_on(test.with_columns(score=pl.col("score") ** 1.1))


def inside_a_fold_that_holds_them(test: pl.DataFrame, draw: Draw) -> OperatingPoint:
    inner = pl.concat([other_rows(draw), test]).with_columns(
        inner_fold=pl.int_range(pl.len()) % 5, logit=pl.col("logit") * 0.9
    )
    return fit_inside(inner)[1]


DOORS = [
    by_its_name,
    by_another_name,
    shuffled,
    on_a_half_of_them,
    on_them_and_others,
    on_them_under_other_image_names,
    on_their_images_scored_otherwise,
    inside_a_fold_that_holds_them,
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_threshold_tuned_on_the_judged_rows_makes_the_evidence_untrue(
    scores_table: Draw, door: Callable[[pl.DataFrame, Draw], OperatingPoint]
) -> None:
    test = scores_table()
    found = judged(test, point=door(test, scores_table))
    assert found.untrue
    assert "threshold-chosen-on-evaluated-rows" in {f.code for f in found.findings}
    assert Evidence.model_validate_json(found.model_dump_json()).untrue


@pytest.mark.parametrize("rule", ["youden", "f1", "closest"])
@pytest.mark.parametrize("several", [1, 3])
def test_a_threshold_from_other_rows_is_believed(
    scores_table: Draw, rule: str, several: int
) -> None:
    found = judged(
        scores_table(images_per_patient=several),
        point=chosen_on(other_rows(scores_table, images_per_patient=several), rule),
    )
    assert gravest(found) == (False, set())


@pytest.mark.parametrize("rule", ["youden", "f1", "closest"])
def test_a_threshold_typed_again_as_given_is_suspected(scores_table: Draw, rule: str) -> None:
    test = scores_table()
    found = judged(test, point=given_point(chosen_on(test, rule).threshold))
    assert gravest(found) == (False, {"threshold-fits-evaluated-rows"})
    lowest_called = test.filter(pl.col("score") >= chosen_on(test, rule).threshold)["score"].min()
    found = judged(test, point=given_point(lowest_called))
    assert gravest(found) == (False, {"threshold-fits-evaluated-rows"})
    assert gravest(judged(test, point=given_point(0.4))) == (False, set())


def test_calls_without_their_threshold_are_suspected(scores_table: Draw) -> None:
    test = scores_table()
    tuned = test.with_columns(decision=pl.Series(decide(test["score"], chosen_on(test))))
    assert gravest(judged(tuned)) == (False, {"calls-fit-evaluated-rows"})
    honest = test.with_columns(decision=pl.col("score") >= 0.7)
    assert "calls-of-unknown-origin" in {f.code for f in judged(honest).findings}
    assert gravest(judged(honest)) == (False, set())


def test_each_fold_answers_for_its_own_rows(scores_table: Draw) -> None:
    table = scores_table().with_columns(fold=pl.int_range(pl.len()) % 2)
    folds = [table.filter(fold=f) for f in (0, 1)]
    tuned = [chosen_on(rows, fold=f) for f, rows in enumerate(folds)]
    assert judged(table, point=tuned).untrue
    crossed = [chosen_on(folds[1 - f], fold=f) for f in (0, 1)]
    assert not judged(table, point=crossed).untrue


@pytest.mark.parametrize("method", ["temperature", "platt", "beta"])
@pytest.mark.parametrize("known_by", ["logit", "score", "image"])
def test_a_calibration_fitted_on_the_judged_rows_makes_the_evidence_untrue(
    scores_table: Draw, method: str, known_by: str
) -> None:
    test = scores_table()
    part = test.head(150)
    found = fit_calibration(
        part["logit"],
        part["label"],
        method=method,  # type: ignore[arg-type]
        fitted_on="valid",
        images=part["image"].to_list() if known_by == "image" else None,
    )
    table = test.with_columns(score=pl.Series(found.apply(test["logit"])))
    if known_by != "logit":
        table = table.drop("logit")
    if known_by == "image":
        table = table.with_columns(pl.col("score").round(3))
    assert judged(table, calibration=found).untrue
    other = other_rows(scores_table)
    honest = fit_calibration(
        other["logit"],
        other["label"],
        method=method,  # type: ignore[arg-type]
        fitted_on="valid",
        images=other["image"].to_list(),
    )
    assert not judged(table, calibration=honest).untrue


def test_a_comparison_at_a_tuned_threshold_is_untrue(scores_table: Draw) -> None:
    test = scores_table()
    rival = test.with_columns(score=pl.col("score") ** 2)
    honest = chosen_on(other_rows(scores_table))
    settings = {"replicates": 50}
    assert not compare(test, rival, points=(honest, honest), **settings).untrue
    assert compare(test, rival, points=(honest, chosen_on(rival)), **settings).untrue
    assert compare(test, rival, points=(chosen_on(test.head(99)), honest), **settings).untrue


def test_a_model_tuned_on_the_readers_images_is_untrue(scores_table: Draw) -> None:
    test = scores_table(120)
    ratings = test.with_columns(reader=pl.lit("ann"), score=(pl.col("score") > 0.5).cast(float))
    honest = judge_readers(ratings, model=test, point=chosen_on(other_rows(scores_table)))
    assert not honest.untrue
    assert judge_readers(ratings, model=test, point=chosen_on(test)).untrue


def test_three_answers_and_sets_tuned_on_the_judged_rows_are_errors(scores_table: Draw) -> None:
    test, other = scores_table(), other_rows(scores_table)
    rows = to_rows(test)
    for part, wanted in ((test, True), (test.head(150), True), (other, False)):
        labels, scores = part["label"], part["score"]
        of_triage = judge_triage(rows, choose_triage(labels, scores, chosen_on="v"), name="test")
        of_sets = judge_conformal(rows, fit_conformal(labels, scores, fitted_on="v"), name="test")
        for found in (of_triage, of_sets):
            assert any(f.severity is Severity.ERROR for f in found.findings) == wanted


def test_rows_of_several_splits_are_untrue(scores_table: Draw) -> None:
    mixed = scores_table().with_columns(split=pl.Series(["valid", "test"] * 150))
    assert judged(mixed).untrue


def test_what_cannot_be_seen_is_a_rounded_threshold_that_is_called_given(
    scores_table: Draw,
) -> None:
    """The page says so: nothing distinguishes it from an honest one."""
    test = scores_table()
    rounded = given_point(round(chosen_on(test).threshold, 2))
    assert gravest(judged(test, point=rounded)) == (False, set())


def test_a_leak_is_found_among_many_rows_in_no_time(scores_table: Draw) -> None:
    test = scores_table(20_000)
    part = test.sample(4000, seed=2)
    temperature = fit_temperature(part["logit"], part["label"], fitted_on="valid")
    point = chosen_on(part, images=None)
    rows = to_rows(test)
    assert point.saw(rows.labels, rows.scores)
    assert temperature.saw(rows.labels, np.asarray(test["logit"]))
