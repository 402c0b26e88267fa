"""Splits: the laws that hold for every cohort, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenstick.cohorts.cohort import Cohort, make_cohort
from greenstick.cohorts.splits import (
    SplitSettings,
    split_cohort,
    split_settings,
    with_split_columns,
)
from greenstick.errors import GreenstickError


def cohort_of(patients: Sequence[tuple[int, int]], **columns: Sequence[object]) -> Cohort:
    """Return a cohort with (label, images) for each patient; further columns by patient."""
    rows = [
        {"image": f"{p:04d}/{i}.png", "patient": f"p{p:04d}", "label": label}
        | {name: values[p] for name, values in columns.items()}
        for p, (label, images) in enumerate(patients)
        for i in range(images)
    ]
    return make_cohort(pl.DataFrame(rows), Path())


def simple(fractured: int, whole: int, **columns: Sequence[object]) -> Cohort:
    return cohort_of([(1, 1)] * fractured + [(0, 1)] * whole, **columns)


def joined(cohort: Cohort, split: pl.DataFrame) -> pl.DataFrame:
    return split.join(cohort.table.drop("split"), on="image")


#: Cohorts with a handful of patients of each class at least, and one to five images each.
cohorts = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 5)), min_size=20, max_size=120
).filter(lambda patients: 6 <= sum(label for label, _ in patients) <= len(patients) - 6)


@given(cohorts, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_holdout_laws(patients: list[tuple[int, int]], seed: int) -> None:
    cohort = cohort_of(patients)
    split = split_cohort(cohort, SplitSettings(seed=seed))
    table = joined(cohort, split)

    assert sorted(split["image"]) == sorted(cohort.table["image"])
    assert table.group_by("patient").agg(pl.col("split").n_unique())["split"].max() == 1
    for name, fraction in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        part = table.filter(split=name)
        assert abs(part["patient"].n_unique() - fraction * len(patients)) <= 2.5
        assert part["label"].n_unique() == 2


@given(cohorts, st.integers(2, 5), st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_kfold_laws(patients: list[tuple[int, int]], folds: int, repeats: int) -> None:
    cohort = cohort_of(patients)
    chosen = SplitSettings(method="kfold", folds=folds, repeats=repeats)
    split = split_cohort(cohort, chosen)
    table = joined(cohort, split)
    images = sorted(cohort.table["image"])

    sides = table.group_by("repeat", "fold", "patient").agg(pl.col("split").n_unique())
    assert sides["split"].max() == 1
    for (_, fold), part in split.group_by("repeat", "fold"):
        assert sorted(part["image"]) == images, f"fold {fold} has every image once"
    for repeat in range(repeats):
        tested = table.filter(repeat=repeat, split="test")
        assert sorted(tested["image"]) == images, "test folds share out the cohort"
        sizes = tested.group_by("fold").agg(pl.col("patient").n_unique())["patient"]
        assert int(sizes.max()) - int(sizes.min()) <= 1  # type: ignore[arg-type]
        fractured = tested.filter(label=1).group_by("fold").agg(pl.col("patient").n_unique())
        assert int(fractured["patient"].max()) - int(fractured["patient"].min()) <= 1  # type: ignore[arg-type]


@given(cohorts, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_same_seed_same_split_in_any_order_of_rows(
    patients: list[tuple[int, int]], random: object
) -> None:
    cohort = cohort_of(patients)
    order = list(range(len(cohort)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = cohort.with_table(cohort.table[order])
    for chosen in (SplitSettings(), SplitSettings(method="kfold", folds=3)):
        assert split_cohort(cohort, chosen).equals(split_cohort(shuffled, chosen))


@given(st.integers(30, 200), st.integers(30, 200), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_class_balance(fractured: int, whole: int, seed: int) -> None:
    cohort = simple(fractured, whole)
    table = joined(cohort, split_cohort(cohort, SplitSettings(seed=seed)))
    for name, fraction in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        n = table.filter(split=name, label=1).height
        assert abs(n - fraction * fractured) <= 2


def test_every_stratum_is_spread() -> None:
    site = (["big"] * 80 + ["small"] * 15 + ["rare"] * 5) * 2
    cohort = simple(100, 100, site=site)
    chosen = SplitSettings(method="kfold", stratify=("label", "site"))
    tested = joined(cohort, split_cohort(cohort, chosen)).filter(split="test")
    counts = tested.group_by("fold", "label", "site").len()
    expected = {"big": 16, "small": 3, "rare": 1}
    assert counts.height == 5 * 2 * 3
    for row in counts.iter_rows(named=True):
        assert abs(row["len"] - expected[row["site"]]) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_patients_with_many_images_are_spread(seed: int) -> None:
    # 100 patients of 1, 2, 4 or 8 images: folds differ by at most two of the largest.
    cohort = cohort_of([(p % 2, 2 ** (p // 2 % 4)) for p in range(100)])
    chosen = SplitSettings(method="kfold", seed=seed)
    tested = joined(cohort, split_cohort(cohort, chosen)).filter(split="test")
    for table in (tested, tested.filter(label=1)):
        counts = table.group_by("fold").len()["len"]
        assert int(counts.max()) - int(counts.min()) <= 16  # type: ignore[arg-type]


def test_another_seed_another_split() -> None:
    cohort = simple(50, 50)
    one, other = (split_cohort(cohort, SplitSettings(seed=seed)) for seed in (0, 1))
    assert not one.equals(other)


def test_repeats_differ() -> None:
    cohort = simple(20, 20)
    split = split_cohort(cohort, SplitSettings(method="kfold", folds=2, repeats=2))
    tested = split.filter(fold=0, split="test")
    assert set(tested.filter(repeat=0)["image"]) != set(tested.filter(repeat=1)["image"])


def test_exact_split_of_twenty_patients() -> None:
    # Written down, so that another machine or library version that splits otherwise is noticed.
    split = split_cohort(simple(10, 10), SplitSettings(seed=7))
    named = {
        name: [image[:4] for image in split.filter(split=name)["image"]]
        for name in ("valid", "test")
    }
    assert named == {"valid": ["0001", "0014"], "test": ["0003", "0019"]}


def test_exact_folds_of_ten_patients() -> None:
    cohort = simple(5, 5)
    folds = with_split_columns(cohort, SplitSettings(method="kfold", seed=7)).table["fold_0"]
    assert folds.to_list() == [4, 0, 3, 1, 2, 3, 0, 1, 2, 4]


def test_small_parts_get_both_classes() -> None:
    # A tenth of four fractured patients is none; each part gets one nevertheless.
    cohort = simple(4, 40)
    table = joined(cohort, split_cohort(cohort, SplitSettings()))
    fractured = table.filter(label=1).group_by("split").len().sort("split")
    assert fractured.rows() == [("test", 1), ("train", 2), ("valid", 1)]


def test_image_without_patient_is_its_own() -> None:
    table = pl.DataFrame({"image": [f"{i}.png" for i in range(40)], "label": [0, 1] * 20})
    split = split_cohort(make_cohort(table, Path()), SplitSettings())
    assert split.height == 40


def test_rows_without_label_are_left_out() -> None:
    cohort = simple(10, 10)
    unknown = pl.DataFrame({"image": ["unknown.png"], "patient": ["p0000"], "label": [None]})
    table = pl.concat([cohort.table, unknown.cast({"label": pl.Int8})], how="diagonal")
    split = split_cohort(make_cohort(table, Path()), SplitSettings())
    assert "unknown.png" not in set(split["image"])


def test_multiple_to_train() -> None:
    cohort = cohort_of([(1, 1)] * 30 + [(0, 1)] * 30 + [(1, 3)] * 10 + [(0, 2)] * 10)
    chosen = SplitSettings(multiple_to_train=True)
    table = joined(cohort, split_cohort(cohort, chosen))
    assert table.filter(pl.col("split") != "train").filter(pl.col("patient") >= "p0060").is_empty()
    # A tenth of all 80 patients, not of the 60 that may go there.
    assert table.filter(split="test").height == 8
    assert table.filter(split="valid").height == 8


def test_multiple_to_train_counts_images_without_label() -> None:
    cohort = simple(10, 10)
    second = pl.DataFrame({"image": ["second.png"], "patient": ["p0000"], "label": [None]})
    table = pl.concat([cohort.table, second.cast({"label": pl.Int8})], how="diagonal")
    for seed in range(8):
        chosen = SplitSettings(multiple_to_train=True, seed=seed)
        split = split_cohort(make_cohort(table, Path()), chosen)
        assert split.filter(image="0000/0.png")["split"].to_list() == ["train"]


def test_multiple_to_train_in_folds() -> None:
    cohort = cohort_of([(1, 1)] * 10 + [(0, 1)] * 10 + [(1, 2)] * 5)
    split = split_cohort(cohort, SplitSettings(method="kfold", folds=2, multiple_to_train=True))
    several = split.filter(pl.col("image") >= "0020")
    assert set(several["split"]) == {"train"}
    assert several.height == 2 * 10


def test_multiple_to_train_with_too_few_single_ones() -> None:
    cohort = cohort_of([(1, 2)] * 20 + [(0, 2)] * 20 + [(1, 1)])
    with pytest.raises(GreenstickError, match="1 of 41 patients have a single radiograph"):
        split_cohort(cohort, SplitSettings(multiple_to_train=True))


def given_split(split: Sequence[str | None]) -> Cohort:
    return simple(10, 10, split=split)


def test_given_column() -> None:
    split = (["train"] * 6 + ["valid"] * 2 + ["test"] * 2) * 2
    result = split_cohort(given_split(split), SplitSettings(method="column"))
    assert result.sort("image")["split"].to_list() == split


def test_given_column_without_valid() -> None:
    split = (["train"] * 7 + ["test", "test", None]) * 2
    chosen = SplitSettings(method="column", valid_fraction=0.3)
    result = split_cohort(given_split(split), chosen)
    counts = dict(result.group_by("split").len().rows())
    assert counts == {"train": 10, "valid": 4, "test": 4}  # 0.3 of 14; null stays out
    assert set(result.filter(split="test")["image"]) == {f"{p:04d}/0.png" for p in (7, 8, 17, 18)}


def test_given_column_by_another_name() -> None:
    cohort = simple(10, 10, official=(["train"] * 6 + ["valid"] * 2 + ["test"] * 2) * 2)
    result = split_cohort(cohort, SplitSettings(method="column", column="official"))
    assert result.filter(split="test").height == 4


def test_given_column_with_torn_patients_names_none_of_them() -> None:
    cohort = cohort_of([(1, 2)] * 10 + [(0, 2)] * 10)
    split = pl.Series("split", ["train", "test"] * 4 + ["train"] * 12 + ["test"] * 20)
    torn = make_cohort(cohort.table.with_columns(split), Path())
    with pytest.raises(GreenstickError, match="4 patients are on two sides") as error:
        split_cohort(torn, SplitSettings(method="column"))
    assert "p00" not in str(error.value)


@pytest.mark.parametrize(
    ("split", "match"),
    [
        (["train"] * 20, "no row of 'test'"),
        (["test"] * 20, "no row of 'train'"),
        ([None] * 20, "no row of 'train'"),
    ],
)
def test_given_column_lacks_a_side(split: list[str | None], match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        split_cohort(given_split(split), SplitSettings(method="column"))


def test_given_column_with_unknown_words() -> None:
    cohort = simple(10, 10, official=["A"] * 10 + ["B"] * 10)
    with pytest.raises(GreenstickError, match="'A', 'B'"):
        split_cohort(cohort, SplitSettings(method="column", column="official"))


def test_missing_column_lists_those_there() -> None:
    with pytest.raises(GreenstickError, match="no column 'view'") as error:
        split_cohort(simple(10, 10), SplitSettings(stratify=("label", "view")))
    assert "label" in error.value.remedy


@pytest.mark.parametrize(
    ("cohort", "chosen", "match"),
    [
        (simple(0, 30), SplitSettings(), "of one class"),
        (cohort_of([(1, 30)]), SplitSettings(), "of one class"),
        (simple(2, 30), SplitSettings(), "with a fracture for 3 parts: 2"),
        (simple(30, 4), SplitSettings(method="kfold"), "without a fracture for 5 parts: 4"),
    ],
)
def test_refused(cohort: Cohort, chosen: SplitSettings, match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        split_cohort(cohort, chosen)


def test_one_patient_with_both_classes() -> None:
    table = pl.DataFrame({"image": ["a", "b"], "patient": ["p", "p"], "label": [0, 1]})
    with pytest.raises(GreenstickError, match="with a fracture for 3 parts: 1"):
        split_cohort(make_cohort(table, Path()), SplitSettings())


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"fractions": (0.5, 0.1, 0.1)}, "add up to 1"),
        ({"fractions": (float("nan"), 0.1, 0.1)}, "add up to 1"),
        ({"fractions": (0.0, 0.5, 0.5)}, "train must be above 0"),
        ({"folds": 1}, "'folds'"),
        ({"method": "random"}, "'method'"),
        ({"shuffle": True}, "'shuffle'"),
    ],
)
def test_settings_refused(values: dict[str, object], match: str) -> None:
    with pytest.raises(GreenstickError, match=match):
        split_settings(**values)


def test_settings_given_as_none_keep_their_default() -> None:
    assert split_settings(folds=None, seed=3) == SplitSettings(seed=3)


def test_columns_of_a_holdout() -> None:
    cohort = simple(10, 10, site=list("ab") * 10)
    written = with_split_columns(cohort, SplitSettings())
    split = split_cohort(cohort, SplitSettings())
    assert written.table.columns == cohort.table.columns
    assert written.table["image"].equals(cohort.table["image"])
    assert (
        written.table.select("image", "split").sort("image").equals(split.select("image", "split"))
    )


def test_columns_of_folds() -> None:
    cohort = simple(10, 10)
    chosen = SplitSettings(method="kfold", folds=2, repeats=2)
    table = with_split_columns(with_split_columns(cohort, chosen), chosen).table
    assert [name for name in table.columns if name.startswith("fold")] == ["fold_0", "fold_1"]
    assert table.group_by("fold_0").len().sort("fold_0").rows() == [(0, 10), (1, 10)]


def test_folds_take_the_place_of_former_ones() -> None:
    often = with_split_columns(simple(10, 10), SplitSettings(method="kfold", repeats=3))
    table = with_split_columns(often, SplitSettings(method="kfold", folds=2)).table
    assert [name for name in table.columns if name.startswith("fold")] == ["fold_0"]


@pytest.mark.parametrize("name", ["patient", "image", "images", "fractured", "stratum"])
def test_any_column_can_be_stratified_by(name: str) -> None:
    further = {} if name in ("patient", "image") else {name: list("ab") * 10}
    cohort = cohort_of([(1, 1)] * 10 + [(0, 1)] * 10, **further)
    split = split_cohort(cohort, SplitSettings(stratify=("label", name)))
    assert split.group_by("split").len().sort("split").rows() == [
        ("test", 2),
        ("train", 16),
        ("valid", 2),
    ]


def test_a_balanced_test_set_holds_as_many_with_as_without(tmp_path: Path) -> None:
    labels = [int(i % 4 == 0) for i in range(100)]
    table = pl.DataFrame(
        {"image": [f"{i}.png" for i in range(100)], "patient": list(range(100)), "label": labels}
    )
    cohort = make_cohort(table, tmp_path)
    settings = SplitSettings(fractions=(0.8, 0.2, 0.0), balanced_test=10)
    split = split_cohort(cohort, settings).join(cohort.table.select("image", "label"), on="image")
    counts = {n: split.filter(split=n)["label"].to_list() for n in ("train", "valid", "test")}
    assert (len(counts["test"]), sum(counts["test"])) == (20, 10)
    assert (len(counts["train"]), len(counts["valid"])) == (64, 16)
    with pytest.raises(GreenstickError, match="with a fracture for balanced_test = 26: 25"):
        split_cohort(cohort, settings.model_copy(update={"balanced_test": 26}))
    with pytest.raises(GreenstickError, match="third fraction"):
        split_settings(balanced_test=10)
