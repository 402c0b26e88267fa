"""Splits by patient, stratified, seeded, and the same on any machine.

Patients are put in order by stratum, within it by how many fractured and how many images they
have (1, 2 to 3, 4 to 7, ...), and within that at random; then each goes to the part that is
furthest behind its share so far. Every part thus gets its share of every stratum to within about
a patient, rare strata are spread too, and so are patients with many images. No part is left
without a patient of each class.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenstick.cohorts.checked import checked
from greenstick.cohorts.cohort import SPLITS, Cohort
from greenstick.errors import GreenstickError

_FOLD = re.compile(r"fold_\d+")


class SplitSettings(BaseModel):
    """How a cohort is split by patient."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["holdout", "kfold", "column"] = Field(
        "holdout", description="holdout, kfold, or column: the cohort's own split"
    )
    fractions: tuple[float, float, float] = Field(
        (0.8, 0.1, 0.1), description="holdout: shares of patients in train, valid and test"
    )
    balanced_test: int = Field(
        0,
        ge=0,
        description="holdout: test on so many patients with and as many without a fracture, and "
        "give the others to train and valid; the third fraction is then 0",
    )
    folds: int = Field(5, ge=2, description="kfold: number of folds")
    repeats: int = Field(1, ge=1, description="kfold: times that it is repeated, shuffled anew")
    valid_fraction: float = Field(
        0.15,
        gt=0.0,
        lt=1.0,
        description="share of training patients that become valid: in kfold, and in column where "
        "it holds no valid rows",
    )
    column: str = Field("split", description="column: where the split stands")
    stratify: tuple[str, ...] = Field(
        ("label",), description="columns whose values are spread evenly over the parts"
    )
    multiple_to_train: bool = Field(
        False, description="patients with more than one radiograph go to training only"
    )
    seed: int = Field(0, ge=0, description="of the shuffle; apart from the experiment's seed")

    @model_validator(mode="after")
    def _fractions_add_up(self) -> "SplitSettings":
        if not (min(self.fractions) >= 0 and abs(sum(self.fractions) - 1.0) <= 1e-6):  # or NaN
            raise ValueError("fractions must be shares that add up to 1")
        if self.fractions[0] == 0:
            raise ValueError("the share of train must be above 0")
        if self.balanced_test and (self.fractions[2] > 0 or self.method != "holdout"):
            raise ValueError("balanced_test is for a hold-out whose third fraction is 0")
        return self


def split_settings(**values: Any) -> SplitSettings:
    """Return settings of the values given; those that are None keep their default.

    Raises
    ------
    GreenstickError
        Where a value does not fit, naming the setting.
    """
    return checked(SplitSettings, "Split", "greenstick cohort split --help", values)


def split_cohort(cohort: Cohort, settings: SplitSettings) -> pl.DataFrame:
    """Split a cohort by patient; rows without a label are left out.

    Returns
    -------
    polars.DataFrame
        ``image``, ``repeat`` (Int32), ``fold`` (Int32), ``split`` ("train", "valid", "test"):
        one row an image and fold. Hold-out and a given column are repeat 0, fold 0.

    Raises
    ------
    GreenstickError
        Where a stratifying or split column is missing, a given split has a patient on two sides,
        only one class is there, or a class has fewer patients than there are parts.
    """
    rows = _rows(cohort, settings)
    if settings.method == "column":
        parts = [_by_column(rows, settings)]
    elif settings.method == "holdout":
        parts = [_holdout(rows, settings)]
    else:
        parts = _kfold(rows, settings)
    table = pl.concat(parts)
    _check_apart(table)
    return table.select("image", pl.col("repeat", "fold").cast(pl.Int32), "split").sort(
        "repeat", "fold", "image"
    )


def with_split_columns(cohort: Cohort, settings: SplitSettings) -> Cohort:
    """Return the cohort with its split as columns.

    A hold-out fills ``split``. A k-fold adds one column ``fold_<repeat>`` for each repeat, in the
    place of any there: the fold in which the row is tested (null: always in training).
    """
    parts = split_cohort(cohort, settings)
    table = cohort.table
    if settings.method != "kfold":
        split = parts.select("image", "split")
        return cohort.with_table(
            table.update(_emptied(table, split), on="image", include_nulls=True)
        )
    table = table.drop(name for name in table.columns if _FOLD.fullmatch(name))
    for repeat in range(settings.repeats):
        tested = parts.filter(repeat=repeat, split="test").select(
            "image", pl.col("fold").alias(f"fold_{repeat}")
        )
        table = table.join(tested, on="image", how="left", maintain_order="left")
    return cohort.with_table(table)


def _emptied(table: pl.DataFrame, split: pl.DataFrame) -> pl.DataFrame:
    return table.select("image").join(split, on="image", how="left", maintain_order="left")


def _rows(cohort: Cohort, settings: SplitSettings) -> pl.DataFrame:
    """Return labeled rows as image, patient, label, the stratifying columns and the given split."""
    wanted = [*settings.stratify, *([settings.column] if settings.method == "column" else [])]
    missing = [name for name in wanted if name not in cohort.table.columns]
    if missing:
        raise GreenstickError(
            f"The cohort has no column {missing[0]!r} to split by.",
            remedy=f"It has: {', '.join(cohort.table.columns)}.",
        )
    rows = (
        cohort.table.with_columns(cohort.patients())
        .with_columns(_images=pl.len().over("patient"))  # also those without a label
        .filter(pl.col("label").is_not_null())
    )
    if rows["label"].n_unique() < 2:
        raise GreenstickError(
            "All images with a label are of one class.",
            remedy="A cohort needs images with and without fractures.",
        )
    return rows


def _patients(rows: pl.DataFrame, stratify: Sequence[str]) -> pl.DataFrame:
    """Return one row a patient, sorted by name: patient, label, images, stratum, fractured.

    A patient counts as fractured where any image is; of other columns the first value counts.
    """
    label = pl.col("label").max()
    values = [
        (label if name == "label" else pl.col(name).sort_by("image").first())
        .cast(pl.String)
        .fill_null("")
        for name in stratify
    ]
    # A cohort's own columns may be called as these are.
    return (
        rows.group_by("patient")
        .agg(
            label,
            images=pl.first("_images"),
            stratum=pl.concat_str(values, separator="|") if values else pl.lit(""),
            fractured=(pl.col("label") == 1).sum() if "label" in stratify else pl.lit(0),
        )
        .sort("patient")
    )


def _assign(
    patients: pl.DataFrame, shares: Sequence[float], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the part of each patient: int64 of shape (n,), numbers of ``shares``."""
    noise = rng.permutation(patients.height)
    strata = patients["stratum"].rank("dense").to_numpy()
    # frexp gives the power of two: patients alike in size are shuffled, unlike ones spread.
    images, fractured = (np.frexp(patients[name].to_numpy())[1] for name in ("images", "fractured"))
    order = np.lexsort((noise, images, fractured, strata))
    part = np.empty(patients.height, dtype=np.int64)
    part[order] = _turns(shares, patients.height)
    return _with_each_class(part, patients["label"].to_numpy(), order, shares)


def _turns(shares: Sequence[float], n: int) -> list[int]:
    """Return whose turn it is, n times: always that of the part furthest behind its share."""
    counts = [0] * len(shares)
    turns = []
    for place in range(1, n + 1):  # plain numbers: NumPy is ten times slower on so few
        behind = [share * place - count for share, count in zip(shares, counts, strict=True)]
        chosen = behind.index(max(behind))
        counts[chosen] += 1
        turns.append(chosen)
    return turns


def _with_each_class(
    part: NDArray[np.int64],
    labels: NDArray[np.int8],
    order: NDArray[np.int64],
    shares: Sequence[float],
) -> NDArray[np.int64]:
    """Give a part that got no patient of a class one from the part that has most of them.

    A share of 0.1 in 6 patients rounds to none, and such a part could not be judged.
    """
    part = part.copy()
    for label in (0, 1):
        members = order[labels[order] == label]
        for wanted in (i for i, share in enumerate(shares) if share > 0):
            counts = np.bincount(part[members], minlength=len(shares))
            if counts[wanted] == 0 and counts.max() > 1:
                part[members[part[members] == counts.argmax()][-1]] = wanted
    return part


def _holdout(rows: pl.DataFrame, settings: SplitSettings) -> pl.DataFrame:
    patients = _patients(rows, settings.stratify)
    free = patients.filter(pl.col("images") == 1) if settings.multiple_to_train else patients
    rng = np.random.default_rng([settings.seed, 0])
    tested = _balanced(free, settings.balanced_test, rng)
    rest = free.filter(~tested)
    shares = _shares_of(rest.height, patients.height - int(tested.sum()), settings.fractions)
    _check_classes(rest, sum(share > 0 for share in shares))
    split = np.full(free.height, "test", dtype=object)
    split[~tested] = [SPLITS[i] for i in _assign(rest, shares, rng)]
    return _spread(rows, free, split.tolist(), repeat=0, fold=0)


def _balanced(patients: pl.DataFrame, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose n patients with and n without a fracture, at random."""
    chosen = np.zeros(patients.height, dtype=np.bool_)
    if n:
        _check_classes(
            patients,
            n,
            what=f"balanced_test = {n}",
            remedy="Lower split.balanced_test; patients must be left to train on.",
        )
        labels = patients["label"].to_numpy()
        for label in (0, 1):
            chosen[rng.choice(np.flatnonzero(labels == label), n, replace=False)] = True
    return chosen


def _shares_of(
    free: int, total: int, fractions: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the shares of the free patients that give the wanted fractions of all."""
    if free == 0 or (fractions[1] + fractions[2]) * total > free:
        raise GreenstickError(
            f"Only {free} of {total} patients have a single radiograph: too few to validate and "
            "test on.",
            remedy="Lower the shares of valid and test, or set multiple_to_train to false.",
        )
    valid, test = (fraction * total / free for fraction in fractions[1:])
    return (1.0 - valid - test, valid, test)


def _kfold(rows: pl.DataFrame, settings: SplitSettings) -> list[pl.DataFrame]:
    patients = _patients(rows, settings.stratify)
    free = patients.filter(pl.col("images") == 1) if settings.multiple_to_train else patients
    _check_classes(free, settings.folds)
    parts = []
    for repeat in range(settings.repeats):
        rng = np.random.default_rng([settings.seed, repeat])
        tested_in = _assign(free, [1 / settings.folds] * settings.folds, rng)
        for fold in range(settings.folds):
            split = np.full(free.height, "test", dtype=object)
            rest = np.flatnonzero(tested_in != fold)
            inner = _train_or_valid(free[rest], settings.valid_fraction, rng)
            split[rest] = inner
            parts.append(_spread(rows, free, split.tolist(), repeat=repeat, fold=fold))
    return parts


def _train_or_valid(
    patients: pl.DataFrame, fraction: float, rng: np.random.Generator
) -> NDArray[np.object_]:
    _check_classes(patients, 2)
    valid = _assign(patients, (1 - fraction, fraction), rng)
    return np.where(valid == 1, "valid", "train").astype(object)


def _by_column(rows: pl.DataFrame, settings: SplitSettings) -> pl.DataFrame:
    given = rows.with_columns(split=pl.col(settings.column).cast(pl.String)).drop_nulls("split")
    unknown = sorted(set(given["split"]) - set(SPLITS))
    if unknown:
        raise GreenstickError(
            f"Column {settings.column!r} holds {', '.join(map(repr, unknown[:5]))}.",
            remedy=f"It may hold {', '.join(SPLITS)} or nothing.",
        )
    for name in ("train", "test"):
        if name not in set(given["split"]):
            raise GreenstickError(
                f"Column {settings.column!r} has no row of {name!r}.",
                remedy="Fill it, or use another split method.",
            )
    split = given.select("image", "patient", "split", repeat=pl.lit(0), fold=pl.lit(0))
    _check_apart(split)
    if "valid" in set(given["split"]):
        return split
    train = given.filter(split="train")
    patients = _patients(train, settings.stratify)
    rng = np.random.default_rng([settings.seed, 0])
    inner = _train_or_valid(patients, settings.valid_fraction, rng).tolist()
    chosen = patients.select("patient", inner=pl.Series(inner, dtype=pl.String))
    joined = split.join(chosen, on="patient", how="left")
    is_train = pl.col("split") == "train"
    return joined.with_columns(split=pl.when(is_train).then("inner").otherwise("split")).drop(
        "inner"
    )


def _spread(
    rows: pl.DataFrame, patients: pl.DataFrame, split: list[str], *, repeat: int, fold: int
) -> pl.DataFrame:
    """Give each row its patient's part; patients that were not assigned go to training."""
    chosen = patients.select("patient", split=pl.Series(split, dtype=pl.String))
    return (
        rows.select("image", "patient")
        .join(chosen, on="patient", how="left")
        .with_columns(pl.col("split").fill_null("train"), repeat=pl.lit(repeat), fold=pl.lit(fold))
    )


def _check_classes(
    patients: pl.DataFrame,
    needed: int,
    *,
    what: str = "",
    remedy: str = "Use fewer parts or folds, or more patients.",
) -> None:
    for label, name in ((1, "with"), (0, "without")):
        n = patients.filter(pl.col("label") == label).height
        if n < needed:
            raise GreenstickError(
                f"Too few patients {name} a fracture for {what or f'{needed} parts'}: {n}.",
                remedy=remedy,
            )


def _check_apart(table: pl.DataFrame) -> None:
    """Refuse a split that has a patient on two sides, whoever made it."""
    sides = table.group_by("repeat", "fold", "patient").agg(pl.col("split").n_unique())
    torn = sides.filter(pl.col("split") > 1).height
    if torn:
        raise GreenstickError(
            f"{torn} patients are on two sides of the split.",
            remedy="Put all images of a patient on one side.",
        )
