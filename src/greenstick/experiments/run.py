"""Run an experiment: from a cohort to evidence, stage by stage, in a run folder."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from rich.console import Console

from greenstick.cohorts.audit import Audit, audit_cohort, drop_rows, write_audit_json
from greenstick.cohorts.cohort import Cohort, read_cohort, write_cohort
from greenstick.cohorts.pixels import open_pixel_store
from greenstick.cohorts.splits import split_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import Evidence, evaluate, write_evidence
from greenstick.evidence.localisation import localisation
from greenstick.experiments.bars import bar
from greenstick.experiments.environment import (
    ANY_HARDWARE,
    Hardware,
    describe_environment,
    is_main_process,
)
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.fold import Fold, Pixels, folds_of, read_decision, run_fold
from greenstick.experiments.pictures import write_overlays
from greenstick.experiments.run_folder import RunFolder, open_run, write_json, write_table


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    overwrite: bool = False,
    hardware: Hardware = ANY_HARDWARE,
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
        Of the test rows; also in ``evidence.json``, which is written last.

    Raises
    ------
    GreenstickError
        Where the cohort is missing or unfit, or the folder holds something else.
    """
    run = open_run(experiment, folder, overwrite=overwrite and is_main_process())
    stages = _Stages(run, console, experiment.seed)
    with stages.stage("audit"):
        cohort = _audited(run, experiment, console)
    with stages.stage("pixels"):
        pixels = _pixels(cohort, experiment, console)
    with stages.stage("split"):
        folds = _folds(run, cohort, experiment, console)
    with stages.stage("training"):
        for fold in folds:
            run_fold(run, experiment, cohort, fold, pixels, hardware, console)
        if not is_main_process():
            raise SystemExit(0)  # in DDP the first process alone concludes
        _gather(run, folds)
    with stages.stage("pictures"):
        write_overlays(run, cohort, experiment)
    with stages.stage("evidence"):
        evidence = _evidence(run, experiment, folds)
    shutil.rmtree(run / "fits", ignore_errors=True)
    write_evidence(evidence, run / "evidence.json")
    return evidence


class _Stages:
    """Announces each stage and keeps the seconds it took in ``environment.json``."""

    def __init__(self, run: RunFolder, console: Console, seed: int) -> None:
        self._path = run / "environment.json"
        self._console = console
        self._environment: dict[str, object] = dict(describe_environment(seed))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._console.print(f"[bold]{name}[/bold]")
        start = time.perf_counter()
        yield
        seconds = round(time.perf_counter() - start, 1)
        self._environment[f"seconds of {name}"] = seconds
        write_json(self._environment, self._path)


def _audited(run: RunFolder, experiment: Experiment, console: Console) -> Cohort:
    """Return the rows that may take part; why others may not is in ``dropped.parquet``."""
    if not (run / "cohort.parquet").is_file():
        cohort = read_cohort(Path(experiment.cohort))
        with bar(console, "Looking at every image") as progress:
            audit = audit_cohort(cohort, progress=progress)
        write_audit_json(audit, run / "audit.json")
        if audit.refused and experiment.audit.on_error == "stop":
            raise GreenstickError(
                f"The audit found what would make a result untrue: see {run / 'audit.json'}.",
                remedy="Mend the cohort, or set audit.on_error to drop.",
            )
        kept, dropped = _take_part(cohort, audit, drop=experiment.audit.on_error == "drop")
        write_table(dropped, run / "dropped.parquet")
        write_cohort(kept, run / "cohort.parquet")
    taking_part, dropped = read_cohort(run / "cohort.parquet"), run.table("dropped")
    console.print(f"  {len(taking_part)} images take part, {len(dropped)} do not")
    return taking_part


def _take_part(cohort: Cohort, audit: Audit, *, drop: bool) -> tuple[Cohort, pl.DataFrame]:
    """Return the cohort without what must not take part, and that: image, patient, reason."""
    reasons = pl.DataFrame(schema={"image": pl.String, "reason": pl.String})
    kept = cohort
    if drop:
        kept, reasons = drop_rows(cohort, audit)
    unlabeled = kept.table.filter(pl.col("label").is_null()).select(
        "image", reason=pl.lit("no label")
    )
    kept = kept.with_table(kept.table.filter(pl.col("label").is_not_null()))
    dropped = pl.concat([reasons, unlabeled])
    patients = cohort.table.select("image", "patient")
    return kept, dropped.join(patients, on="image", how="left", maintain_order="left")


def _pixels(cohort: Cohort, experiment: Experiment, console: Console) -> Pixels:
    store = open_pixel_store(canvas_px=experiment.recipe.canvas_px)
    with bar(console, "Decoding") as progress:
        added = store.add(cohort.paths(), progress=progress)
    if added.unreadable:
        first = added.unreadable[0]
        raise GreenstickError(
            f"{len(added.unreadable)} images cannot be read, first "
            f"{cohort.table['image'][first.index]}: {first.reason}",
            remedy="Set audit.on_error to drop, or mend the files; then start with --overwrite.",
        )
    console.print(f"  {added.decoded} decoded, {len(cohort) - added.decoded} in the store already")
    keys = zip(cohort.table["image"], added.keys, strict=True)
    return Pixels(store, {image: key for image, key in keys if key is not None})


def _folds(run: RunFolder, cohort: Cohort, experiment: Experiment, console: Console) -> list[Fold]:
    if not (run / "splits.parquet").is_file():
        write_table(split_cohort(cohort, experiment.split), run / "splits.parquet")
    splits = run.table("splits")
    counts = splits.group_by("split").len().sort("split").rows()
    console.print("  " + ", ".join(f"{name} {n}" for name, n in counts))
    return folds_of(splits, experiment.model.backbone)


def _gather(run: RunFolder, folds: list[Fold]) -> None:
    """Put the tables of all folds together."""
    for name in ("history", "scores", "explanations"):
        tables = [pl.read_parquet(run.work(fold.name) / f"{name}.parquet") for fold in folds]
        write_table(pl.concat(tables), run / f"{name}.parquet")


def _evidence(run: RunFolder, experiment: Experiment, folds: list[Fold]) -> Evidence:
    test = run.table("scores").filter(pl.col("split") == "test")
    decisions = [read_decision(run, fold) for fold in folds]
    evidence = evaluate(
        test.with_columns(model=pl.lit(experiment.model.backbone)),
        point=[decision.point for decision in decisions],
        calibration=decisions[0].temperature if len(decisions) == 1 else None,
        rows="test",
        seed=experiment.seed,
        replicates=experiment.evidence.replicates,
        subgroups=experiment.evidence.subgroups,
    )
    explained = run.table("explanations")
    return evidence.with_localisation(localisation(explained, seed=experiment.seed))
