"""Verbs on drawn radiographs: demo, phantom."""

from pathlib import Path
from typing import Annotated

import typer

from greenstick.cli.common import Overwrite, app, restartable, resumable


@app.command(epilog="Example: greenstick demo -o runs/demo")
@resumable
def demo(
    output: Annotated[Path, typer.Option("-o", help="The run folder.")] = Path("runs/demo"),
    patients: Annotated[int, typer.Option("-n", min=60, help="Radiographs to draw.")] = 600,
    overwrite: Overwrite = False,
) -> None:
    """Draw a cohort, then audit, split, train, calibrate, test and report, in three minutes."""
    from greenstick.experiments.bars import bar
    from greenstick.experiments.demo import demo_experiment
    from greenstick.experiments.run import run_experiment
    from greenstick.reports.page import write_report
    from greenstick.reports.terminal import print_conclusion, status

    with bar(status, "Drawing radiographs") as progress:
        experiment = demo_experiment(output, images=patients, progress=progress)
    evidence = run_experiment(experiment, output, overwrite=overwrite, console=status)
    print_conclusion(evidence, write_report(output))


@app.command(epilog="Example: greenstick phantom -n 600 -o phantom")
@restartable
def phantom(
    output: Annotated[Path, typer.Option("-o", help="Folder for the pictures and the cohort.")],
    number: Annotated[int, typer.Option("-n", min=1, help="How many radiographs.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other patients.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Draw radiographs of limbs with fractures of known place and type, as a cohort."""
    from greenstick.cohorts.drawn import write_phantom_cohort
    from greenstick.experiments.bars import bar
    from greenstick.reports.terminal import status

    with bar(status, "Drawing radiographs") as progress:
        path = write_phantom_cohort(
            output, number, seed=seed, overwrite=overwrite, processes=True, progress=progress
        )
    typer.echo(f"{path}\nEvery picture is drawn; none is of a patient.")
