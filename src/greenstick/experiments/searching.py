"""Hyper-parameters found inside the training part: trials on its rows, judged by its valid rows.

Trials are drawn in batches. What is drawn, and which trial is stopped early, depends on earlier
batches alone, so that the same trials come of it whether they run side by side or not, and
whether or not the search was interrupted.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Protocol

import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.effort import Crew
from greenstick.experiments.experiment import Experiment, with_settings
from greenstick.experiments.folds import Key, folds_in, take_fractures
from greenstick.experiments.jobs import Done, Job, JobSettings, read_done
from greenstick.experiments.restoring import restorer_jobs
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.experiments.sections import Range

Params = dict[str, Any]

SCHEMA = {
    "model": pl.String,
    "repeat": pl.Int32,
    "fold": pl.Int32,
    "trial": pl.Int32,
    "params": pl.String,  # JSON
    "value": pl.Float64,  # best validation AUROC; null where it failed
    "state": pl.String,  # done, pruned or failed
    "epochs": pl.Int32,
    "seconds": pl.Float64,
}


class Sampler(Protocol):
    """What proposes settings, and learns from how they did."""

    def ask(self, n: int) -> list[Params]:
        """Return the next settings, n at most; none where the search is over."""
        ...

    def tell(self, results: Sequence[Done | None]) -> None:
        """Take in how the settings asked for last did, in order; None where one failed."""
        ...


class Grid:
    """Every combination, in the order of the file."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        self._left = [dict(zip(space, values, strict=True)) for values in product(*space.values())]

    def ask(self, n: int) -> list[Params]:
        """Return the next n combinations."""
        asked, self._left = self._left[:n], self._left[n:]
        return asked

    def tell(self, results: Sequence[Done | None]) -> None:
        """Learn nothing."""


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), seeded."""

    def __init__(self, space: Mapping[str, Any], trials: int, seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise GreenstickError(
                "A search by 'tpe' needs Optuna.",
                remedy="Install it: pip install 'greenstick[search]', or set search.method to "
                "'grid'.",
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=min(10, max(2, trials // 3))
        )
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._states = optuna.trial.TrialState
        self._space, self._left = space, trials
        self._asked: list[Any] = []

    def ask(self, n: int) -> list[Params]:
        """Return the next n settings."""
        self._asked = [self._study.ask() for _ in range(min(n, self._left))]
        self._left -= len(self._asked)
        return [
            {name: _suggest(trial, name, values) for name, values in self._space.items()}
            for trial in self._asked
        ]

    def tell(self, results: Sequence[Done | None]) -> None:
        """Learn from what came of them; of one stopped early, from where it stood."""
        for trial, done in zip(self._asked, results, strict=True):
            if done is None:
                self._study.tell(trial, state=self._states.FAIL)
            elif done.pruned:
                trial.report(done.valid_auroc, done.epochs)
                self._study.tell(trial, state=self._states.PRUNED)
            else:
                self._study.tell(trial, done.valid_auroc)


def _suggest(trial: Any, name: str, values: Any) -> Any:
    if isinstance(values, Range):
        return trial.suggest_float(name, values.low, values.high, log=values.log)
    return trial.suggest_categorical(name, list(values))


@dataclass(eq=False)
class _Search:
    """The search of one fold and backbone."""

    key: Key
    experiment: Experiment
    images: pl.DataFrame
    sampler: Sampler
    tried: list[tuple[Params, Job, Done | None]] = field(default_factory=list)

    def next_jobs(self) -> list[Job]:
        search = self.experiment.search
        rivals = tuple(job.name for _, job, done in self.tried if done is not None)
        jobs = []
        for params in self.sampler.ask(search.at_once):
            settings = with_settings(self.experiment, params)
            job = JobSettings(
                name=f"{self.key.name}-trial{len(self.tried):03d}",
                model=settings.network(self.key.backbone),
                recipe=settings.recipe,
                restoring=settings.restoring,
                peers=settings.peers,
                seed=self.experiment.seed,
                keep="nothing",
                rivals=rivals if search.prune == "median" else (),
            )
            jobs.append(Job(job, self.images))
            self.tried.append((params, jobs[-1], None))
        return jobs

    def learn(self, run: RunFolder, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        results = [read_done(run, job) for job in jobs]
        start = len(self.tried) - len(jobs)
        for place, done in enumerate(results, start):
            self.tried[place] = (*self.tried[place][:2], done)
        self.sampler.tell(results)

    def best(self) -> Experiment:
        finished = [
            (done.valid_auroc, params)
            for params, _, done in self.tried
            if done is not None and not done.pruned
        ]
        if not finished:
            raise GreenstickError(
                f"No trial of the search for {self.key.name} came to its end.",
                remedy="See what each said in the run's folder 'fits', then run it again.",
            )
        _, params = max(finished, key=lambda each: each[0])  # the first of equals
        return with_settings(self.experiment, params)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "model": self.key.backbone,
                "repeat": self.key.repeat,
                "fold": self.key.fold,
                "trial": number,
                "params": json.dumps(params),
                "value": done.valid_auroc if done else None,
                "state": "failed" if done is None else "pruned" if done.pruned else "done",
                "epochs": done.epochs if done else None,
                "seconds": done.train_seconds if done else None,
            }
            for number, (params, _, done) in enumerate(self.tried)
        ]


def search(
    run: RunFolder,
    settled: Mapping[str, Experiment],
    cohort: Cohort,
    splits: pl.DataFrame,
    crew: Crew,
) -> dict[Key, Experiment]:
    """Find settings for each fold and network; every trial goes into ``trials.parquet``.

    Models of healthy images alone have no epochs to judge: nothing is searched for them.

    Parameters
    ----------
    settled
        The experiment as each network does it.

    Returns
    -------
    dict
        The experiment with the settings that did best for each; as it was where nothing is
        searched.
    """
    keyed = folds_in(splits, list(settled))
    searches = [
        _Search(key, own, _inside(own, cohort, images), sampler)
        for number, (key, images) in enumerate(keyed)
        for own in [settled[key.backbone]]
        if (sampler := _sampler(own, number)) is not None
    ]
    found = {key: settled[key.backbone] for key, _ in keyed}
    if not searches:
        return found
    while True:
        batches = [each.next_jobs() for each in searches]
        jobs = [job for batch in batches for job in batch]
        if not jobs:
            break
        crew.do(restorer_jobs(jobs, cohort))  # trials side by side share one
        crew.do(jobs)
        for each, batch in zip(searches, batches, strict=True):
            each.learn(run, batch)
    rows = [row for each in searches for row in each.rows()]
    write_table(pl.DataFrame(rows, schema=SCHEMA), run / "trials.parquet")
    return found | {each.key: each.best() for each in searches}


def _inside(experiment: Experiment, cohort: Cohort, images: pl.DataFrame) -> pl.DataFrame:
    """Return a fold's training part, as its networks will have it too."""
    share, seed = experiment.labels.fracture_share, experiment.split.seed
    return take_fractures(images.filter(pl.col("split") != "test"), cohort, share, seed)


def _sampler(experiment: Experiment, number: int) -> Sampler | None:
    section = experiment.search
    if section.method == "none" or experiment.model.peer:
        return None
    if section.method == "grid":
        return Grid(section.space)
    seed = random.Random(f"{experiment.seed} {number}").randrange(2**31)
    return Tpe(section.space, section.trials, seed)
