"""Verbs on experiments: new, protocols, run."""

from pathlib import Path
from typing import Annotated

import typer

from greenstick.cli.common import AsJson, Overwrite, app, resumable
from greenstick.errors import GreenstickError

experiment_app = typer.Typer(help="Make and run experiments.", no_args_is_help=True)
app.add_typer(experiment_app, name="experiment")


@experiment_app.command(
    "new", epilog="Example: greenstick experiment new --cohort cohort.parquet -o e.toml"
)
def experiment_new(
    cohort: Annotated[Path, typer.Option(help="The cohort's Parquet file.")],
    output: Annotated[Path, typer.Option("-o", help="The experiment's TOML file.")],
    backbone: Annotated[
        str | None, typer.Option(help="Any timm backbone, e.g. resnet50 or densenet121.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="auto, hub, none, or a .safetensors or .pth file.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="A published one: see 'greenstick experiment protocols'.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of training and bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Write an experiment as a TOML file: every setting, its value, and what it means."""
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.experiment import new_experiment, write_experiment
    from greenstick.experiments.published import write_protocol

    if output.exists() and not overwrite:
        raise GreenstickError(f"{output} is there already.", remedy="Add --overwrite, or rename.")
    next_step = f"{output}\nNext: greenstick experiment run {output} -o runs/{output.stem}"
    if protocol is not None:
        if backbone or weights:
            raise typer.BadParameter("a protocol names its backbones: change them in the file")
        write_protocol(protocol, read_cohort(cohort), cohort, output, seed=seed)
        typer.echo(next_step)
        return
    chosen = {"backbone": backbone, "weights": weights}
    model = {name: value for name, value in chosen.items() if value is not None}
    experiment = new_experiment(read_cohort(cohort), cohort, output, model=model, seed=seed)
    write_experiment(experiment, output)
    typer.echo(next_step)


@experiment_app.command("protocols", epilog="Example: greenstick experiment protocols")
def experiment_protocols(as_json: AsJson = False) -> None:
    """List the published protocols: their papers, their figures, and what differs here."""
    import json

    from greenstick.experiments.published import protocols
    from greenstick.reports.terminal import console, print_protocols

    if as_json:
        typer.echo(json.dumps([each.model_dump() for each in protocols()], indent=2))
    else:
        print_protocols(protocols(), console)


@experiment_app.command("run", epilog="Example: greenstick experiment run e.toml -o runs/x")
@resumable
def experiment_run(
    experiment: Annotated[Path, typer.Argument(help="The experiment's TOML file.")],
    output: Annotated[Path, typer.Option("-o", help="The run folder.")],
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps...")] = "auto",
    devices: Annotated[str, typer.Option(help="How many devices a node, or auto.")] = "auto",
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes.")] = 1,
    strategy: Annotated[str, typer.Option(help="auto, ddp...: Lightning's strategy.")] = "auto",
    jobs: Annotated[
        int, typer.Option(min=0, help="Fits side by side; 0: one a GPU, or for each two cores.")
    ] = 0,
    ray: Annotated[
        str, typer.Option(help="Address of a Ray cluster that does the fits, or local.")
    ] = "",
    retries: Annotated[
        int, typer.Option(min=0, help="How often a fit that failed is tried again.")
    ] = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Audit, split, train, calibrate, test and report.

    A stopped run goes on where it was. Where a fit fails for good the run ends with the others,
    says so, and the same command tries it again.
    """
    from greenstick.experiments.effort import Effort
    from greenstick.experiments.environment import Hardware
    from greenstick.experiments.experiment import read_experiment
    from greenstick.experiments.run import run_experiment
    from greenstick.reports.page import write_report
    from greenstick.reports.terminal import print_conclusion, status

    effort = Effort(jobs, retries, Hardware(accelerator, devices, nodes, strategy), ray)
    evidence = run_experiment(
        read_experiment(experiment), output, overwrite=overwrite, effort=effort, console=status
    )
    page = write_report(output)
    if as_json:
        typer.echo(evidence.model_dump_json(indent=2))
    else:
        print_conclusion(evidence, page)
