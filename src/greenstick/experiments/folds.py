"""The folds of an experiment: which networks are trained for each, on which rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.splits import SplitSettings, split_cohort
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.jobs import Job, JobSettings

#: Name of a model that is several networks.
ENSEMBLE = "ensemble"


class Key(NamedTuple):
    """One backbone and one fold; ``name`` says both where there are several folds."""

    name: str
    backbone: str
    repeat: int
    fold: int


@dataclass(frozen=True, eq=False)
class Fold:
    """One backbone, trained for one fold.

    Attributes
    ----------
    name
        Names its model's folder.
    backbone, repeat, fold
        The last two as in ``splits.parquet``.
    images
        Columns ``image`` and ``split``.
    members
        Its networks: one a seed.
    inner
        The networks of each inner fold, from which temperature and threshold come; none where
        they come from validation rows.
    """

    name: str
    backbone: str
    repeat: int
    fold: int
    images: pl.DataFrame
    members: tuple[Job, ...]
    inner: tuple[tuple[Job, ...], ...] = ()

    @property
    def jobs(self) -> Iterator[Job]:
        """All fits of this fold."""
        yield from self.members
        for members in self.inner:
            yield from members

    def rows(self, cohort: Cohort, *splits: str) -> pl.DataFrame:
        """Return the cohort's rows on these sides of the split."""
        mine = self.images.filter(pl.col("split").is_in(splits)).select("image")
        return cohort.table.join(mine, on="image", how="semi")

    def columns(self) -> list[pl.Expr]:
        """Return the columns that tell this fold's rows from others'."""
        return [
            pl.lit(self.backbone).alias("model"),
            pl.lit(self.repeat, pl.Int32).alias("repeat"),
            pl.lit(self.fold, pl.Int32).alias("fold"),
        ]


def folds_in(splits: pl.DataFrame, backbones: Sequence[str]) -> list[tuple[Key, pl.DataFrame]]:
    """Return backbones x repeats x folds, in this order, each with its image and split."""
    numbers = splits.select("repeat", "fold").unique().sort("repeat", "fold").rows()
    found = []
    for backbone, (repeat, fold) in product(backbones, numbers):
        name = backbone if len(numbers) == 1 else f"{backbone}-repeat{repeat}-fold{fold}"
        images = splits.filter(repeat=repeat, fold=fold).select("image", "split")
        found.append((Key(name, backbone, repeat, fold), images))
    return found


def plan_folds(cohort: Cohort, splits: pl.DataFrame, tuned: Mapping[Key, Experiment]) -> list[Fold]:
    """Return what is to be trained: each fold of each backbone by its own settings."""
    backbones = list(dict.fromkeys(key.backbone for key in tuned))
    keyed = folds_in(splits, backbones)
    alone = len(keyed) == len(backbones)
    return [_fold(tuned[key], cohort, key, images, alone=alone) for key, images in keyed]


def _fold(
    experiment: Experiment, cohort: Cohort, key: Key, images: pl.DataFrame, *, alone: bool
) -> Fold:
    images = take_fractures(images, cohort, experiment.labels.fracture_share, experiment.split.seed)
    inner = [
        _members(experiment, f"{key.name}-inner{number}", key.backbone, rows, keep="scores")
        for number, rows in enumerate(_inner_rows(experiment, cohort, images))
    ]
    several = _seeds(experiment, key.backbone) > 1
    keep: Literal["member", "model"] = "member" if several else "model"
    return Fold(
        name=ensemble_name(experiment, key.backbone) if several and alone else key.name,
        backbone=key.backbone,
        repeat=key.repeat,
        fold=key.fold,
        images=images,
        members=_members(experiment, key.name, key.backbone, images, keep=keep),
        inner=tuple(inner),
    )


def take_fractures(images: pl.DataFrame, cohort: Cohort, share: float, seed: int) -> pl.DataFrame:
    """Return a split's rows with a share of the patients with fractures of train and valid.

    Smaller shares lie within larger ones; one such patient at least stays on each side. Healthy
    images of the patients that go stay.
    """
    if share == 1.0:
        return images
    labels = cohort.table.select("image", "label", cohort.patients())
    rows = images.join(labels, on="image", how="left", maintain_order="left")
    broken = rows.filter((pl.col("label") == 1) & (pl.col("split") != "test"))
    patients = broken.select("split", "patient").unique().sort("patient", "split")
    order = np.random.default_rng([seed, 2]).permutation(patients.height)
    ranks = pl.Series("order", order).to_frame()
    patients = pl.concat([patients, ranks], how="horizontal").with_columns(
        rank=pl.col("order").rank("ordinal").over("split"),
        wanted=(pl.len().over("split") * share).round().clip(lower_bound=1),
    )
    gone = broken.join(
        patients.filter(pl.col("rank") > pl.col("wanted")), on=["split", "patient"], how="semi"
    )
    return images.join(gone, on="image", how="anti", maintain_order="left")


def ensemble_name(experiment: Experiment, backbone: str) -> str:
    """Return the folder of the model that all networks of a backbone make together."""
    return ENSEMBLE if len(experiment.names) == 1 else f"{ENSEMBLE}-{backbone}"


def _members(
    experiment: Experiment,
    name: str,
    backbone: str,
    images: pl.DataFrame,
    *,
    keep: Literal["scores", "member", "model"],
) -> tuple[Job, ...]:
    model = experiment.network(backbone)
    seeds = _seeds(experiment, backbone)
    members = [
        JobSettings(
            name=name if seeds == 1 else f"{name}-seed{number}",
            model=model,
            recipe=experiment.recipe,
            restoring=experiment.restoring,
            peers=experiment.peers,
            seed=experiment.seed + number,
            keep=keep,
        )
        for number in range(seeds)
    ]
    return tuple(Job(settings, images) for settings in members)


def _seeds(experiment: Experiment, backbone: str) -> int:
    """Return how many networks answer as one: a model of healthy images alone is by itself."""
    return 1 if experiment.network(backbone).peer else experiment.model.seeds


def _inner_rows(
    experiment: Experiment, cohort: Cohort, images: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Split the training part, validation rows and all, once more: test rows have no place here."""
    inner_folds = experiment.decision.inner_folds
    if not inner_folds:
        return
    inside = images.filter(pl.col("split") != "test").select("image")
    rows = cohort.table.join(inside, on="image", how="semi")
    settings = SplitSettings(
        method="kfold",
        folds=inner_folds,
        valid_fraction=experiment.split.valid_fraction,
        stratify=experiment.split.stratify,
        multiple_to_train=experiment.split.multiple_to_train,
        seed=experiment.split.seed,
    )
    splits = split_cohort(cohort.with_table(rows), settings)
    for number in range(inner_folds):
        yield splits.filter(fold=number).select("image", "split")
