"""Every fit of a run: those that find settings, then those that are judged."""

import polars as pl
from rich.console import Console

from greenstick.cohorts.cohort import Cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.effort import Effort, hire
from greenstick.experiments.environment import Hardware
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.folds import Fold, plan_folds
from greenstick.experiments.jobs import Job
from greenstick.experiments.learning_curve import share_jobs
from greenstick.experiments.precision import settle_precision
from greenstick.experiments.restoring import restorer_jobs
from greenstick.experiments.run_folder import RunFolder, open_test
from greenstick.experiments.searching import search


def train_all(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    splits: pl.DataFrame,
    effort: Effort,
    console: Console,
) -> tuple[list[Fold], dict[str, str]]:
    """Search where that is wanted, then do every fit.

    Returns
    -------
    folds
        What was trained.
    failed
        The jobs that failed for good, each with its reason.
    """
    _check_devices(experiment, effort.hardware)
    settled = settle_precision(run, experiment, effort.hardware.accelerator)
    with hire(run, _most_jobs(experiment, splits), effort, console) as crew:
        tuned = search(run, settled, cohort, splits, crew)
        folds = plan_folds(cohort, splits, tuned)
        jobs = [job for fold in folds for job in (*fold.jobs, *_shares(fold, cohort, experiment))]
        open_test(run)
        crew.do(restorer_jobs(jobs, cohort))  # one that fails will tell those that need it why
        return folds, crew.do(jobs)


def _most_jobs(experiment: Experiment, splits: pl.DataFrame) -> int:
    """Return how many fits there may be at a time."""
    folds = splits.select("repeat", "fold").n_unique() * len(experiment.names)
    at_once = experiment.search.at_once if experiment.search.method != "none" else 1
    a_fold = experiment.model.seeds * (1 + experiment.decision.inner_folds)
    return folds * max(at_once, a_fold + len(experiment.learning_curve.shares))


def _shares(fold: Fold, cohort: Cohort, experiment: Experiment) -> list[Job]:
    by_share = share_jobs(fold, cohort, experiment.learning_curve.shares, experiment.split.seed)
    return [job for share, job in by_share.items() if share < 1]


def _check_devices(experiment: Experiment, hardware: Hardware) -> None:
    if experiment.search.method != "none" and not hardware.single:
        raise GreenstickError(
            "A search gives each trial one device.",
            remedy="Leave --devices and --nodes out; --jobs runs trials side by side.",
        )
