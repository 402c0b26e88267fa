"""Run an experiment: from a cohort to evidence, stage by stage, in a run folder."""

import time
from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from rich.console import Console

from greenstick.cohorts.cohort import Cohort, read_cohort, write_cohort
from greenstick.cohorts.splits import split_cohort
from greenstick.evidence.evidence import Evidence
from greenstick.experiments.environment import Hardware, describe_environment
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.run_folder import RunFolder, open_run, write_json, write_table


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    overwrite: bool = False,
    hardware: Hardware = Hardware(),
    console: Console,
) -> Evidence:
    """Run an experiment, or go on with one that was interrupted.

    Parameters
    ----------
    experiment
        The settings; its cohort's path is absolute (see ``read_experiment``).
    folder
        The run folder; made if absent. What it then holds: ``docs/architecture.md``.
    overwrite
        Start again in a folder that holds a run.
    hardware
        Passed on to Lightning.
    console
        Where the stages are announced.

    Returns
    -------
    Evidence
        Of the test rows; also in ``evidence.json``.

    Raises
    ------
    GreenstickError
        Where the cohort is missing or unfit, or the folder holds something else.
    """
    run = open_run(experiment, folder, overwrite=overwrite)
    ...
