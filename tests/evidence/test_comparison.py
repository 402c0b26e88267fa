from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from greenstick.decision.operating_points import given_point
from greenstick.errors import GreenstickError
from greenstick.evidence.comparison import Comparison, compare
from greenstick.evidence.discrimination import placements

Draw = Callable[..., pl.DataFrame]


def rival(table: pl.DataFrame, *, noise: float = 1.0, seed: int = 5) -> pl.DataFrame:
    """Return the scores of a second, noisier model on the same images."""
    generator = np.random.default_rng(seed)
    logits = table["logit"].to_numpy() + generator.normal(0, noise, table.height)
    return table.with_columns(score=pl.Series(1 / (1 + np.exp(-logits))), logit=pl.Series(logits))


def compared(first: pl.DataFrame, second: pl.DataFrame, **settings: object) -> Comparison:
    return compare(first, second, **{"replicates": 200, **settings})


def test_paired_delong_is_the_textbook_formula(scores_table: Draw) -> None:
    table = scores_table(200)
    other = rival(table)
    found = compared(table, other).difference("AUROC")
    y = table["label"].to_numpy() == 1
    a, b = (placements(y, t["score"].to_numpy()) for t in (table, other))
    gaps = b.values - a.values
    variance = gaps[y].var(ddof=1) / y.sum() + gaps[~y].var(ddof=1) / (~y).sum()
    assert found.difference == pytest.approx(b.auroc - a.auroc)
    half = (found.upper - found.lower) / 2
    assert half == pytest.approx(1.959964 * np.sqrt(variance))


@pytest.mark.parametrize("images_per_patient", [1, 3])
def test_intervals_of_a_difference_agree_with_the_jackknife_by_patient(
    scores_table: Draw, images_per_patient: int
) -> None:
    table = scores_table(100 * images_per_patient, images_per_patient=images_per_patient)
    other = rival(table)
    points = (given_point(0.4), given_point(0.5))
    found = compared(table, other, points=points, replicates=3000)
    patients = table["patient"].unique(maintain_order=True)
    left_out: dict[str, list[float]] = {d.name: [] for d in found.differences}
    for patient in patients:
        keep = pl.col("patient") != patient
        part = compared(table.filter(keep), other.filter(keep), points=points, replicates=2)
        for d in part.differences:
            left_out[d.name].append(d.difference)
    k = len(patients)
    for name, values in left_out.items():
        d = found.difference(name)
        se = np.sqrt((k - 1) / k * np.sum((np.array(values) - np.mean(values)) ** 2))
        assert (d.upper - d.lower) / (2 * 1.96) == pytest.approx(se, rel=0.15), name


def test_a_better_model_is_found_better(scores_table: Draw) -> None:
    table = scores_table(800)
    found = compared(rival(table, noise=4.0), table, names=("old", "new"))
    assert (found.first, found.second) == ("old", "new")
    assert found.difference("AUROC").lower > 0
    assert found.difference("AUROC").p_value < 0.001
    assert found.difference("average precision").lower > 0
    assert found.difference("Brier score").upper < 0


def test_exchanging_the_models_turns_the_sign(scores_table: Draw) -> None:
    table = scores_table(150)
    other = rival(table)
    points = (given_point(0.4), given_point(0.6))
    one, two = compared(table, other, points=points), compared(other, table, points=points[::-1])
    for d in one.differences:
        turned = two.difference(d.name)
        assert turned.difference == pytest.approx(-d.difference)
        assert turned.p_value == pytest.approx(d.p_value)
    for name in ("AUROC", "sensitivity", "specificity"):
        a, b = one.difference(name), two.difference(name)
        assert (b.lower, b.upper) == pytest.approx((-a.upper, -a.lower))


def test_a_model_does_not_differ_from_itself(scores_table: Draw) -> None:
    table = scores_table(100)
    points = (given_point(0.4), given_point(0.4))
    for d in compared(table, table, points=points, margin=0.01).differences:
        assert d.difference == 0
        assert d.p_value in (None, 1.0)


@pytest.mark.parametrize(
    ("labels", "why"),
    [([1, 1, 1, 0, 0, 0], "no error can be estimated"), ([1, 0, 0, 0, 0, 0], "a single patient")],
)
def test_a_difference_without_an_interval_says_why(labels: list[int], why: str) -> None:
    perfect = pl.DataFrame(
        {"image": [f"{i}.png" for i in range(6)], "label": labels, "score": labels}
    )
    constant = perfect.with_columns(score=pl.lit(0.5))
    found = compared(perfect, constant).difference("AUROC")
    assert found.difference == -0.5
    assert (found.lower, found.p_value) == (None, None)
    assert why in found.method
    same = compared(perfect, perfect).difference("AUROC")
    assert same.lower is None


def test_repeats_of_one_test_set_are_no_folds(scores_table: Draw) -> None:
    table = scores_table(60)
    repeats = [
        scored.with_columns(repeat=pl.lit(r), fold=pl.lit(0))
        for r, scored in enumerate((table, rival(table), rival(table, seed=6)))
    ]
    both = pl.concat(repeats)
    found = compared(both, both.with_columns(score=pl.col("score") ** 2))
    assert "AUROC, mean of folds" not in [d.name for d in found.differences]


def test_rows_are_paired_by_image_and_not_by_order(scores_table: Draw) -> None:
    table = scores_table(150)
    other = rival(table)
    mixed = other.sample(fraction=1, shuffle=True, seed=1).drop("patient")
    assert compared(table, mixed) == compared(table, other)


def test_patients_of_either_table_will_do(scores_table: Draw) -> None:
    table = scores_table(150, images_per_patient=3)
    other = rival(table)
    known = compared(table, other)
    assert known.n_patients == 50
    assert compared(table.drop("patient"), other).n_patients == 50
    unnamed = table.with_columns(patient=pl.lit(None, pl.String))
    assert compared(unnamed, other) == known
    blind = compared(table.drop("patient"), other.drop("patient"))
    assert blind.n_patients == 150
    assert "Obuchowski" in known.difference("AUROC").method
    assert "Obuchowski" not in blind.difference("AUROC").method


def test_copies_of_images_do_not_make_a_difference_surer(scores_table: Draw) -> None:
    table = scores_table(150)
    other = rival(table)
    points = (given_point(0.4), given_point(0.4))
    copies = [
        pl.concat([t.with_columns(image=pl.col("image") + f"#{i}") for i in range(4)])
        for t in (table, other)
    ]
    once = compared(table, other, points=points, replicates=2000)
    many = compared(*copies, points=points, replicates=2000)
    for d in once.differences:
        again = many.difference(d.name)
        assert again.upper - again.lower >= 0.95 * (d.upper - d.lower), d.name
        if d.p_value is not None:
            assert again.p_value >= 0.5 * d.p_value, d.name


def test_non_inferiority_needs_a_margin_and_enough_images(scores_table: Draw) -> None:
    table = scores_table(600)
    close = rival(table, noise=0.3)
    assert compared(table, close).difference("AUROC").non_inferior is None
    assert compared(table, close, margin=0.05).difference("AUROC").non_inferior
    assert compared(table, close, margin=0.05).difference("Brier score").non_inferior
    few = table.head(40)
    assert not compared(few, rival(few), margin=0.01).difference("AUROC").non_inferior


def test_logits_are_compared_by_rank_alone(scores_table: Draw) -> None:
    table = scores_table(150)
    found = compared(table.with_columns(score=pl.col("logit")), rival(table))
    assert [d.name for d in found.differences] == ["AUROC", "average precision"]
    with pytest.raises(GreenstickError, match="It holds: AUROC"):
        found.difference("Brier score")


def test_different_images_are_refused_or_dropped(scores_table: Draw) -> None:
    table = scores_table(150)
    other = rival(table).tail(140)
    with pytest.raises(GreenstickError, match="140 images are in both tables, 10 in one only"):
        compared(table, other)
    assert compared(table, other, missing="drop").n_images == 140


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.drop("image"), "column 'image'"),
        (lambda t: t.with_columns(label=1 - pl.col("label")), "disagree on the label"),
        (lambda t: t.with_columns(image=pl.col("image") + "x"), "no image in common"),
    ],
)
def test_what_cannot_be_paired_is_refused(
    scores_table: Draw, spoil: Callable[[pl.DataFrame], pl.DataFrame], says: str
) -> None:
    table = scores_table(60)
    with pytest.raises(GreenstickError, match=says):
        compared(table, spoil(rival(table)))


def test_one_class_is_refused(scores_table: Draw) -> None:
    table = scores_table(60).filter(label=1)
    with pytest.raises(GreenstickError, match="one class"):
        compared(table, rival(table))


def test_a_comparison_survives_json(scores_table: Draw) -> None:
    table = scores_table(60)
    found = compared(table, rival(table), margin=0.1)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
