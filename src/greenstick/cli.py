"""The command line: one short function a verb, no logic.

Heavy modules are imported inside the verbs, so that ``greenstick --help`` answers at once.
"""

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError

app = typer.Typer(
    help=f"Greenstick: bone-fracture AI on radiographs. {RESEARCH_USE}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
cohort_app = typer.Typer(help="Import, audit, split and show cohorts.", no_args_is_help=True)
experiment_app = typer.Typer(help="Make and run experiments.", no_args_is_help=True)
app.add_typer(cohort_app, name="cohort")
app.add_typer(experiment_app, name="experiment")

CohortFile = Annotated[Path, typer.Argument(help="The cohort's Parquet file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that decode; 0: one a core.")]
P = ParamSpec("P")
Overwrite = Annotated[bool, typer.Option(help="Write over a finished result.")]


_REMEDIES = {
    errno.ENOSPC: "Free some space, then run the same command to go on.",
    errno.EDQUOT: "Free some space, then run the same command to go on.",
    errno.EACCES: "Choose a place that you may write to.",
    errno.EROFS: "Choose a place that you may write to.",
}


def main() -> None:
    """Run the command line; print a user's error once, on one line, with its remedy."""
    # Threads that spin while they wait take the cores from whatever else runs on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except GreenstickError as error:
        _refuse(error.message, error.remedy)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise  # a fault of ours: the traceback is what we need to mend it
        _refuse(f"{error.filename or 'A file'}: {error.strerror}.", _REMEDIES[error.errno])


def _refuse(message: str, remedy: str) -> None:
    typer.echo(f"greenstick: {message}\n  {remedy}", err=True)
    sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"greenstick {__version__}. {RESEARCH_USE}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    pass


def _resumable(verb: Callable[P, None]) -> Callable[P, None]:
    """Let Ctrl-C end a long verb on one line; what was finished is kept."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except KeyboardInterrupt:
            raise GreenstickError(
                "Stopped.", remedy="What was finished is kept; run the same command to go on."
            ) from None

    return run


@app.command(epilog="Example: greenstick demo -o runs/demo")
@_resumable
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
@_resumable
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
            output, number, seed=seed, overwrite=overwrite, progress=progress
        )
    typer.echo(f"{path}\nEvery picture is drawn; none is of a patient.")


@cohort_app.command(
    "import",
    epilog="Example: greenstick cohort import labels.csv --images scans --image-column file "
    "--label-column fractured -o cohort.parquet",
)
def cohort_import(
    source: Annotated[Path, typer.Argument(help="A folder, a CSV file or a COCO JSON file.")],
    output: Annotated[Path, typer.Option("-o", help="The cohort's Parquet file.")],
    form: Annotated[
        str, typer.Option("--format", help="auto, folders, csv, coco, yolo or voc.")
    ] = "auto",
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if elsewhere.")] = None,
    boxes: Annotated[Path | None, typer.Option(help="COCO file with boxes to join.")] = None,
    image_column: Annotated[str, typer.Option(help="CSV column with the file name.")] = "image",
    label_column: Annotated[str, typer.Option(help="CSV column with the label.")] = "label",
    patient_column: Annotated[str | None, typer.Option(help="CSV column: the patient.")] = None,
    fracture_type_column: Annotated[
        str | None, typer.Option(help="CSV column with the type of fracture.")
    ] = None,
    patient_pattern: Annotated[
        str | None, typer.Option(help="Regular expression on the image's path; group 1: patient.")
    ] = None,
    positive: Annotated[
        list[str] | None, typer.Option(help="Class or word that means fracture (repeatable).")
    ] = None,
    negative: Annotated[
        list[str] | None, typer.Option(help="Class or word that means none (repeatable).")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=EXPRESSION: a column by an SQL expression (repeatable)."),
    ] = None,
    skip_missing: Annotated[bool, typer.Option(help="Leave out listed files not there.")] = False,
    unlisted_are_negative: Annotated[
        bool, typer.Option(help="COCO, YOLO, VOC: images without annotations have no fracture.")
    ] = False,
) -> None:
    """Make one cohort file from a folder a class, CSV, COCO, YOLO or Pascal VOC."""
    from greenstick.cohorts.cohort import write_cohort
    from greenstick.cohorts.importers import import_cohort, import_settings
    from greenstick.cohorts.summary import summarize
    from greenstick.reports.terminal import print_summary

    settings = import_settings(
        format=form,
        images=images,
        boxes=boxes,
        image_column=image_column,
        label_column=label_column,
        patient_column=patient_column,
        fracture_type_column=fracture_type_column,
        patient_pattern=patient_pattern,
        positive=positive or [],
        negative=negative or [],
        columns=_pairs(columns),
        skip_missing=skip_missing,
        unlisted_are_negative=unlisted_are_negative,
    )
    cohort = import_cohort(source, settings)
    write_cohort(cohort, output)
    print_summary(summarize(cohort), title=str(output))


def _pairs(texts: list[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


@cohort_app.command("show", epilog="Example: greenstick cohort show cohort.parquet")
def cohort_show(cohort: CohortFile, as_json: AsJson = False) -> None:
    """Print a summary: patients, images, labels, splits, boxes, every small column."""
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.cohorts.summary import summarize
    from greenstick.reports.terminal import print_summary

    summary = summarize(read_cohort(cohort))
    if as_json:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        print_summary(summary, title=str(cohort))


@cohort_app.command(
    "audit", epilog="Example: greenstick cohort audit cohort.parquet -o audit --drop clean.parquet"
)
@_resumable
def cohort_audit(
    cohort: CohortFile,
    output: Annotated[Path, typer.Option("-o", help="Folder for audit.html and .json.")],
    drop: Annotated[
        Path | None, typer.Option(help="Write a cleaned cohort here, and its dropped rows.")
    ] = None,
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Find what would make a result untrue: broken files, copies, leaks, labels at odds.

    Exits with 1 when something would; with --drop, when something still would afterwards.
    """
    from greenstick.cohorts.audit import audit_cohort, drop_to, write_audit_json
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.bars import bar
    from greenstick.reports.audit_page import write_audit_page
    from greenstick.reports.terminal import print_audit, status

    table = read_cohort(cohort)
    with bar(status, "Looking at every image") as progress:
        audit = audit_cohort(table, workers=workers or None, progress=progress)
    write_audit_json(audit, output / "audit.json")
    write_audit_page(table, audit, output / "audit.html")
    dropped = len(drop_to(table, audit, drop)) if drop else 0
    if as_json:
        typer.echo((output / "audit.json").read_text())
    else:
        print_audit(audit, output / "audit.html", drop, dropped)
    raise typer.Exit(int(audit.refused and drop is None))


@cohort_app.command(
    "split", epilog="Example: greenstick cohort split clean.parquet -o split.parquet --folds 5"
)
def cohort_split(
    cohort: CohortFile,
    output: Annotated[Path, typer.Option("-o", help="The cohort with its split, as Parquet.")],
    fractions: Annotated[
        tuple[float, float, float], typer.Option(help="Train, valid and test, of all patients.")
    ] = (0.8, 0.1, 0.1),
    folds: Annotated[int, typer.Option(min=0, help="Cross-validation instead; 0: none.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of the cross-validation.")] = 1,
    stratify: Annotated[
        list[str] | None, typer.Option(help="Column to stratify by (repeatable).")
    ] = None,
    multiple_to_train: Annotated[
        bool, typer.Option(help="Patients with more than one radiograph go to training only.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split.")] = 0,
) -> None:
    """Split by patient into a column 'split', or one column of folds for each repeat."""
    from greenstick.cohorts.cohort import read_cohort, write_cohort
    from greenstick.cohorts.splits import split_settings, with_split_columns
    from greenstick.cohorts.summary import summarize
    from greenstick.reports.terminal import print_summary

    settings = split_settings(
        method="kfold" if folds else "holdout",
        fractions=fractions,
        folds=folds or 5,
        repeats=repeats,
        stratify=tuple(stratify or ["label"]),
        multiple_to_train=multiple_to_train,
        seed=seed,
    )
    table = with_split_columns(read_cohort(cohort), settings)
    write_cohort(table, output)
    print_summary(summarize(table), title=str(output))


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
    seed: Annotated[int, typer.Option(min=0, help="Seed of training and bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Write an experiment as a TOML file: every setting, its value, and what it means."""
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.experiment import new_experiment, write_experiment

    if output.exists() and not overwrite:
        raise GreenstickError(f"{output} is there already.", remedy="Add --overwrite, or rename.")
    chosen = {"backbone": backbone, "weights": weights}
    model = {name: value for name, value in chosen.items() if value is not None}
    experiment = new_experiment(read_cohort(cohort), cohort, output, model=model, seed=seed)
    write_experiment(experiment, output)
    typer.echo(f"{output}\nNext: greenstick experiment run {output} -o runs/{output.stem}")


@experiment_app.command("run", epilog="Example: greenstick experiment run e.toml -o runs/x")
@_resumable
def experiment_run(
    experiment: Annotated[Path, typer.Argument(help="The experiment's TOML file.")],
    output: Annotated[Path, typer.Option("-o", help="The run folder.")],
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps...")] = "auto",
    devices: Annotated[str, typer.Option(help="How many devices a node, or auto.")] = "auto",
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes.")] = 1,
    strategy: Annotated[str, typer.Option(help="auto, ddp...: Lightning's strategy.")] = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Audit, split, train, calibrate, test and report. A stopped run goes on where it was."""
    from greenstick.experiments.environment import Hardware
    from greenstick.experiments.experiment import read_experiment
    from greenstick.experiments.run import run_experiment
    from greenstick.reports.page import write_report
    from greenstick.reports.terminal import print_conclusion, status

    hardware = Hardware(accelerator, devices, nodes, strategy)
    evidence = run_experiment(
        read_experiment(experiment), output, overwrite=overwrite, hardware=hardware, console=status
    )
    page = write_report(output)
    if as_json:
        typer.echo(evidence.model_dump_json(indent=2))
    else:
        print_conclusion(evidence, page)


@app.command(epilog="Example: greenstick report runs/x")
def report(run: Annotated[Path, typer.Argument(help="A finished run folder.")]) -> None:
    """Write the report of a finished run again."""
    from greenstick.reports.page import write_report

    typer.echo(write_report(run))


@app.command(epilog="Example: greenstick read scans/ --model runs/x -o readings")
@_resumable
def read(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to read.")],
    model: Annotated[Path, typer.Option(help="A run folder, or one of its models.")],
    output: Annotated[Path, typer.Option("-o", help="Folder for the results.")] = Path("readings"),
    overlays: Annotated[bool, typer.Option(help="Draw each radiograph with its heat map.")] = True,
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0: all cores.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Read radiographs: probability, decision, heat map, or the reason why one was not read."""
    from greenstick.experiments.bars import bar
    from greenstick.reading.archive import read_paths
    from greenstick.reports.terminal import print_readings, status

    with bar(status, "Reading") as progress:
        readings = read_paths(
            paths, model, output, overlays=overlays, threads=threads, progress=progress
        )
    if as_json:
        typer.echo((output / "readings.json").read_text())
    else:
        print_readings(readings, output)


ScoresFile = Annotated[Path, typer.Argument(help="CSV or Parquet with label and score.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="OURS=THEIRS, e.g. score=Confidence (repeatable)."),
]
Positive = Annotated[list[str] | None, typer.Option(help="Label that means fracture (repeatable).")]
DropMissing = Annotated[bool, typer.Option(help="Leave out rows without label or score.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]


@app.command(epilog="Example: greenstick evaluate scores.csv -o out --column label=truth")
def evaluate(
    scores: ScoresFile,
    output: Annotated[Path, typer.Option("-o", help="Folder for the report and evidence.json.")],
    column: Columns = None,
    positive: Positive = None,
    threshold: Annotated[
        float | None, typer.Option(help="An operating point fixed before these rows were seen.")
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option(help="PPV and NPV at this share of fractures too.")
    ] = None,
    subgroup: Annotated[
        list[str] | None, typer.Option(help="Column to judge value by value (repeatable).")
    ] = None,
    rows: Annotated[str, typer.Option(help="What these rows are called.")] = "test",
    drop_missing: DropMissing = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Judge the scores of any model: every figure with its interval and method."""
    from greenstick.decision.operating_points import given_point
    from greenstick.evidence.evidence import evaluate as judge
    from greenstick.evidence.evidence import write_evidence
    from greenstick.reports.page import write_report
    from greenstick.reports.terminal import print_evidence
    from greenstick.scores import read_scores, write_scores

    table = read_scores(scores, columns=_pairs(column), positive=positive or [])
    evidence = judge(
        table,
        point=None if threshold is None else given_point(threshold),
        rows=rows,
        seed=seed,
        subgroups=subgroup or [],
        prevalence=prevalence,
        missing="drop" if drop_missing else "refuse",
    )
    write_scores(table, output / "scores.parquet")
    write_evidence(evidence, output / "evidence.json")
    page = write_report(output)
    if as_json:
        typer.echo(evidence.model_dump_json(indent=2))
    else:
        print_evidence(evidence, page)


@app.command(epilog="Example: greenstick compare a.csv b.csv -o out --margin 0.05")
def compare(
    first: ScoresFile,
    second: ScoresFile,
    output: Annotated[Path, typer.Option("-o", help="Folder for comparison.json.")],
    column: Columns = None,
    positive: Positive = None,
    threshold: Annotated[
        tuple[float, float] | None, typer.Option(help="The operating point of each.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0.0, help="Is the second at most this much worse?")
    ] = None,
    drop_missing: DropMissing = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same images: each difference with its interval and test."""
    from greenstick.decision.operating_points import given_point
    from greenstick.evidence.comparison import compare as judge
    from greenstick.evidence.comparison import write_comparison
    from greenstick.reports.terminal import print_comparison
    from greenstick.scores import read_scores

    tables = [
        read_scores(path, columns=_pairs(column), positive=positive or [])
        for path in (first, second)
    ]
    points = [given_point(value) for value in threshold] if threshold else [None, None]
    comparison = judge(
        tables[0],
        tables[1],
        names=(first.stem, second.stem),
        points=(points[0], points[1]),
        margin=margin,
        seed=seed,
        missing="drop" if drop_missing else "refuse",
    )
    write_comparison(comparison, output / "comparison.json")
    if as_json:
        typer.echo(comparison.model_dump_json(indent=2))
    else:
        print_comparison(comparison, output / "comparison.json")
