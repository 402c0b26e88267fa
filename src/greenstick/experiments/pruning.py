"""A trial that does worse than those before it is not trained to its end."""

import math
from collections.abc import Callable
from statistics import median

import polars as pl

from greenstick.experiments.jobs import JobSettings
from greenstick.experiments.run_folder import RunFolder
from greenstick.training.keeper import HISTORY, TrainingProgress

FIT = "fit"  # in a job's folder: what the training keeps
_FEW_RIVALS = 3

Tell = Callable[[TrainingProgress], None]


class Pruned(Exception):  # noqa: N818 - no error: it ends a trial
    """The trial is not worth going on with."""


def pruning(run: RunFolder, settings: JobSettings, also: Tell | None) -> Tell | None:
    """Return what watches a training, and breaks it off where its rivals did better.

    The rule is the median rule (Golovin et al. 2017): after an epoch, the best AUROC so far is
    compared with the median of the rivals' best at that epoch. With fewer than three rivals that
    came as far, nothing is broken off.
    """
    if not settings.rivals:
        return also
    rivals = [
        pl.read_parquet(run.work(name) / FIT / HISTORY)["valid_auroc"].to_list()
        for name in settings.rivals
    ]
    last = [0]

    def watch(now: TrainingProgress) -> None:
        if also is not None:
            also(now)
        if now.epoch == last[0] or math.isnan(now.best_auroc):
            return
        last[0] = now.epoch  # epochs that are whole
        reached = [max(each[: now.epoch]) for each in rivals if len(each) >= now.epoch]
        if len(reached) >= _FEW_RIVALS and now.best_auroc < median(reached):
            raise Pruned

    return watch
