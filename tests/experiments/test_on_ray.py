"""The same jobs on two workers of a local Ray cluster as here."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.cohorts.splits import split_cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.effort import Crew, Effort, hire
from greenstick.experiments.folds import folds_in, plan_folds
from greenstick.experiments.jobs import Job
from greenstick.experiments.pixels import decode
from greenstick.experiments.run_folder import RunFolder

pytest.importorskip("ray", reason="Ray, the extra 'ray', is not installed")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_does_the_same(spots: Path, tmp_path: Path, experiment_on: Any) -> None:
    split = {"method": "kfold", "folds": 2, "valid_fraction": 0.4}
    experiment, cohort = experiment_on(spots, split=split, recipe={"epochs": 1}), read_cohort(spots)
    splits = split_cohort(cohort, experiment.split)
    tuned = {key: experiment for key, _ in folds_in(splits, ["test_resnet"])}
    jobs = [
        Job(job.settings.model_copy(update={"keep": "scores"}), job.images)
        for fold in plan_folds(cohort, splits, tuned)
        for job in fold.jobs
    ]
    logits = []
    for name, effort in (("here", Effort(jobs=1)), ("ray", Effort(jobs=2, ray="local"))):
        run = RunFolder(tmp_path / name)
        write_cohort(cohort, run / "cohort.parquet")
        local = read_cohort(run / "cohort.parquet")
        decode(run, local, 64)
        named = {Path(image).name: image for image in local.table["image"]}
        with _hired(run, len(jobs), effort) as crew:
            assert crew.workers.places == effort.jobs
            assert crew.do([_renamed(job, named) for job in jobs]) == {}
        tables = [pl.read_parquet(run.work(job.name) / "logits.parquet") for job in jobs]
        logits.append(np.stack(pl.concat(tables)["logits"].to_numpy()))
    assert np.allclose(*logits, atol=1e-4)


@contextmanager
def _hired(run: RunFolder, jobs: int, effort: Effort) -> Iterator[Crew]:
    with ExitStack() as stack:
        try:
            crew = stack.enter_context(hire(run, jobs, effort, Console(file=io.StringIO())))
        except GreenstickError as error:
            pytest.skip(f"Ray does not start on this machine: {error.message}")
        yield crew


def _renamed(job: Job, named: dict[str, str]) -> Job:
    """Return a job on the same images, as the run's own cohort calls them."""
    own = [named[Path(image).name] for image in job.images["image"]]
    return Job(job.settings, job.images.with_columns(image=pl.Series(own)))
