"""Run an experiment: from a cohort to evidence, stage by stage, in a run folder."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from rich.console import Console

from greenstick.cohorts.audit import Audit, audit_cohort, drop_rows, write_audit_json
from greenstick.cohorts.cohort import Cohort, read_cohort, write_cohort
from greenstick.cohorts.splits import split_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import Evidence, write_evidence
from greenstick.experiments.bars import bar
from greenstick.experiments.beforehand import check_networks, check_split, check_subgroups
from greenstick.experiments.classes import with_headline
from greenstick.experiments.concluding import conclude
from greenstick.experiments.costs import costs_of
from greenstick.experiments.effort import PLAIN_EFFORT, Effort
from greenstick.experiments.environment import describe_environment, is_main_process
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.heat_boxes import judge_heat_boxes
from greenstick.experiments.held import held
from greenstick.experiments.judging import first_class, incomplete, judge, searched
from greenstick.experiments.learning_curve import draw_learning_curves
from greenstick.experiments.pictures import write_overlays
from greenstick.experiments.pixels import decode
from greenstick.experiments.regions import region_findings, with_regions, without_unseen
from greenstick.experiments.restoring import restored_findings
from greenstick.experiments.run_folder import (
    RunFolder,
    check_cohort,
    note_cohort,
    open_run,
    opened_test_at,
    write_json,
    write_table,
)
from greenstick.experiments.training_all import train_all
from greenstick.experiments.unlabeled import set_aside
from greenstick.findings import Finding
from greenstick.training.checks import advise


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    overwrite: bool = False,
    effort: Effort = PLAIN_EFFORT,
    console: Console,
) -> Evidence:
    """Run an experiment, or go on with one that was interrupted or left incomplete.

    Parameters
    ----------
    experiment
        The settings; its cohort's path is absolute (see ``read_experiment``).
    folder
        The run folder; made if absent. What it then holds: ``docs/architecture.md``.
    overwrite
        Start again in a folder that holds a run.
    effort
        How many fits at a time, where, and how often a failed one is tried again. It changes how
        long the run takes, not what comes of it.
    console
        Where the stages are announced.

    Returns
    -------
    Evidence
        Of the first backbone's test rows; also in ``evidence.json``, which is written last. Where
        fits failed for good, it rests on the others, and a finding says so.

    Raises
    ------
    GreenstickError
        Where the cohort is missing or unfit, the folder holds something else or another process
        works there, or no fold has a result.
    """
    lacking = check_networks(experiment)
    with held(folder):
        run = open_run(experiment, folder, overwrite=overwrite and is_main_process())
        return _run(run, experiment, lacking, effort, console)


def _run(
    run: RunFolder,
    experiment: Experiment,
    lacking: list[Finding],
    effort: Effort,
    console: Console,
) -> Evidence:
    stages = _Stages(run, console, experiment.seed)
    with stages.stage("audit"):
        cohort = _audited(run, experiment, console)
    with stages.stage("pixels"):
        _decode(run, cohort, experiment, console)
    with stages.stage("split"):
        splits = _splits(run, cohort, experiment, console)
    advice = [*advise(experiment.recipe, experiment.model), *lacking]
    for finding in advice:
        console.print(f"[yellow]{finding.message}[/yellow] {finding.remedy}", highlight=False)
    with stages.stage("training"):
        folds, failed = train_all(run, experiment, cohort, splits, effort, console)
        if not is_main_process():
            raise SystemExit(0)  # in DDP the first process alone concludes
        stages.note("no test row scored before", opened_test_at(run))
        stages.note("failed fits", failed)
    with stages.stage("models"):
        concluded, missing = conclude(run, experiment, cohort, folds, failed)
        write_table(costs_of(run, concluded), run / "models.parquet")
        judged = [each.fold for each in concluded]
        draw_learning_curves(run, experiment, cohort, judged, failed)
    with stages.stage("pictures"):
        write_overlays(run, cohort, experiment, concluded)
    with stages.stage("evidence"):
        findings = [
            *incomplete(missing),
            *searched(run, experiment),
            *advice,
            *first_class(experiment),
            *restored_findings(run),
            *region_findings(experiment.region, cohort, splits, run.table("dropped")),
        ]
        evidence = judge(run, experiment, concluded, findings)
        judge_heat_boxes(run, cohort, experiment, concluded)
    write_evidence(evidence, run / "evidence.json")
    if not missing:
        run.remove_work()
    return evidence


class _Stages:
    """Announces each stage and keeps the seconds it took in ``environment.json``.

    Those of an earlier call that was stopped count too, but for one that was killed.
    """

    def __init__(self, run: RunFolder, console: Console, seed: int) -> None:
        self._path = run / "environment.json"
        self._console = console
        self._environment: dict[str, object] = dict(describe_environment(seed))
        self._before = json.loads(self._path.read_text()) if self._path.is_file() else {}

    def note(self, name: str, value: object) -> None:
        """Keep what else is to be known of the run, where there is anything."""
        if value:
            self._environment[name] = value
            write_json(self._environment, self._path)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._console.print(f"[bold]{name}[/bold]")
        start, label = time.perf_counter(), f"seconds of {name}"
        try:
            yield
        finally:
            seconds = float(self._before.get(label, 0.0)) + time.perf_counter() - start
            self._environment[label] = round(seconds, 1)
            write_json(self._environment, self._path)


def _audited(run: RunFolder, experiment: Experiment, console: Console) -> Cohort:
    """Return the rows that may take part; why others may not is in ``dropped.parquet``."""
    source = Path(experiment.cohort)
    if (run / "cohort.parquet").is_file():
        check_cohort(run, source)
    else:
        cohort = read_cohort(source)
        note_cohort(run, source)
        check_subgroups(cohort, experiment.evidence.subgroups)
        with bar(console, "Looking at every image") as progress:
            audit = audit_cohort(cohort, progress=progress)
        write_audit_json(audit, run / "audit.json")
        if audit.refused and experiment.audit.on_error == "stop":
            raise GreenstickError(
                f"The audit found what would make a result untrue: see {run / 'audit.json'}.",
                remedy="Mend the cohort, or set audit.on_error to drop.",
            )
        kept, dropped = _take_part(run, cohort, audit, experiment, console)
        if not len(kept):
            raise GreenstickError(
                f"None of the {len(cohort)} images takes part; the first: {dropped['reason'][0]}.",
                remedy=f"Mend the cohort: see {run / 'audit.json'}.",
            )
        kept = with_headline(kept, experiment.model)
        write_table(dropped, run / "dropped.parquet")
        write_cohort(kept, run / "cohort.parquet")
    taking_part, dropped = read_cohort(run / "cohort.parquet"), run.table("dropped")
    console.print(f"  {len(taking_part)} images take part, {len(dropped)} do not")
    return taking_part


def _take_part(
    run: RunFolder, cohort: Cohort, audit: Audit, experiment: Experiment, console: Console
) -> tuple[Cohort, pl.DataFrame]:
    """Return the cohort without what must not take part, and that: image, patient, reason.

    Rows without a label that are learned from all the same are kept by themselves.
    """
    reasons = pl.DataFrame(schema={"image": pl.String, "reason": pl.String})
    kept = cohort
    if experiment.audit.on_error == "drop":
        kept, reasons = drop_rows(cohort, audit)
    with bar(console, "Finding where to look") as progress:
        kept, lost = with_regions(kept, experiment.region, progress)
    unlabeled = kept.table.filter(pl.col("label").is_null()).select(
        "image", reason=pl.lit("no label")
    )
    if experiment.recipe.unlabeled_weight:
        unlabeled = unlabeled.join(set_aside(run, kept), on="image", how="anti")
    kept = kept.with_table(kept.table.filter(pl.col("label").is_not_null()))
    dropped = pl.concat([reasons, lost, unlabeled])
    patients = cohort.table.select("image", "patient")
    return kept, dropped.join(patients, on="image", how="left", maintain_order="left")


def _decode(run: RunFolder, cohort: Cohort, experiment: Experiment, console: Console) -> None:
    with bar(console, "Decoding") as progress:
        decoded = decode(run, cohort, experiment.recipe.canvas_px, progress)
    console.print(f"  {decoded} decoded, {len(cohort) - decoded} in the store already")


def _splits(
    run: RunFolder, cohort: Cohort, experiment: Experiment, console: Console
) -> pl.DataFrame:
    if not (run / "splits.parquet").is_file():
        splits = without_unseen(split_cohort(cohort, experiment.split), cohort)
        check_split(splits, cohort, experiment.model)
        write_table(splits, run / "splits.parquet")
    splits = run.table("splits")
    counts = splits.group_by("split").len().sort("split").rows()
    console.print("  " + ", ".join(f"{name} {n}" for name, n in counts))
    return splits
