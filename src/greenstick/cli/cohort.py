"""Verbs on cohorts: import, show, audit, split."""

from pathlib import Path
from typing import Annotated

import typer

from greenstick.cli.common import AsJson, CohortFile, Workers, app, pairs_of, restartable

cohort_app = typer.Typer(help="Import, audit, split and show cohorts.", no_args_is_help=True)
app.add_typer(cohort_app, name="cohort")


@cohort_app.command(
    "import",
    epilog="Example: greenstick cohort import labels.csv --images scans --image-column file "
    "--label-column fractured -o cohort.parquet",
)
def cohort_import(
    source: Annotated[Path, typer.Argument(help="A folder, a CSV file or a COCO JSON file.")],
    output: Annotated[Path, typer.Option("-o", help="The cohort's Parquet file.")],
    form: Annotated[
        str, typer.Option("--format", help="auto, folders, csv, csv-boxes, coco, yolo or voc.")
    ] = "auto",
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if elsewhere.")] = None,
    boxes: Annotated[Path | None, typer.Option(help="COCO file with boxes to join.")] = None,
    regions: Annotated[
        Path | None, typer.Option(help="COCO file with boxes of the part to look at.")
    ] = None,
    region_class: Annotated[
        str | None, typer.Option(help="The class of these boxes; left out: any.")
    ] = None,
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
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="OLD=NEW: rename or merge classes of boxes (repeatable)."),
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
        regions=regions,
        region_class=region_class,
        image_column=image_column,
        label_column=label_column,
        patient_column=patient_column,
        fracture_type_column=fracture_type_column,
        patient_pattern=patient_pattern,
        positive=positive or [],
        negative=negative or [],
        classes=pairs_of(classes),
        columns=pairs_of(columns),
        skip_missing=skip_missing,
        unlisted_are_negative=unlisted_are_negative,
    )
    cohort = import_cohort(source, settings)
    write_cohort(cohort, output)
    print_summary(summarize(cohort), title=str(output))


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
@restartable
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
    output.mkdir(parents=True, exist_ok=True)  # before the work, not after it
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
        tuple[float, float, float] | None,
        typer.Option(help="Train, valid and test, of all patients; left out: 0.8 0.1 0.1."),
    ] = None,
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

    if folds and fractions is not None:
        raise typer.BadParameter("--fractions are of a hold-out: leave them or --folds out")
    if repeats > 1 and not folds:
        raise typer.BadParameter("--repeats are of a cross-validation: give --folds too")
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
