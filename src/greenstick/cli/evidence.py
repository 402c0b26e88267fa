"""Verbs that judge scores: evaluate, compare, readers, report."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from greenstick.cli.choosing import Rule, operating_point
from greenstick.cli.common import AsJson, WithDefault, app, pairs_of

ScoresFile = Annotated[Path, typer.Argument(help="CSV or Parquet with label and score.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="OURS=THEIRS, e.g. score=Confidence (repeatable)."),
]
Positive = Annotated[list[str] | None, typer.Option(help="Label that means fracture (repeatable).")]
Negative = Annotated[
    list[str] | None,
    typer.Option(help="Label that means no fracture; else all others do (repeatable)."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(help="COLUMN=VALUE: judge only such rows, e.g. split=test (repeatable)."),
]
DropMissing = Annotated[bool, typer.Option(help="Leave out rows without label or score.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]

#: What the verbs here write, and a run's own file: none is written over by another verb.
_RESULTS = ("evidence.json", "classes.json", "comparison.json", "readers.json", "experiment.toml")

evaluate_app = typer.Typer(cls=WithDefault, help="Judge the scores, or the boxes, of any model.")
app.add_typer(evaluate_app, name="evaluate")


def _own_folder(folder: Path, own: str) -> None:
    """Refuse a folder that holds a run, or what another verb has found."""
    from greenstick.errors import GreenstickError

    held = [name for name in _RESULTS if name != own and (folder / name).is_file()]
    if held:
        raise GreenstickError(
            f"{folder} holds {held[-1]}, whose report would be written over.",
            remedy="Give another folder: -o FOLDER.",
        )


@evaluate_app.command(
    "scores",
    epilog="Example: greenstick evaluate scores.csv -o out --column label=truth\n\n"
    "A detector's boxes: greenstick evaluate boxes --help",
)
def evaluate(
    scores: ScoresFile,
    output: Annotated[Path, typer.Option("-o", help="Folder for the report and evidence.json.")],
    column: Columns = None,
    positive: Positive = None,
    negative: Negative = None,
    where: Where = None,
    percent: Annotated[bool, typer.Option("--percent", help="Scores are percentages.")] = False,
    threshold: Annotated[
        float | None, typer.Option(help="An operating point fixed before these rows were seen.")
    ] = None,
    choose_on: Annotated[
        str | None,
        typer.Option(help="Choose it on other rows: a file, or COLUMN=VALUE of this one."),
    ] = None,
    rule: Annotated[Rule, typer.Option(help="How it is chosen.")] = "youden",
    target: Annotated[
        float | None, typer.Option(help="What sensitivity, specificity or cost ratio it needs.")
    ] = None,
    pool: Annotated[
        Literal["max", "mean", "noisy-or"] | None,
        typer.Option(help="Judge patients, each by this of the images' scores."),
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option(help="PPV and NPV at this share of fractures too.")
    ] = None,
    specificities: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Partial AUROC between two specificities, e.g. 0.8 1.0."),
    ] = None,
    subgroup: Annotated[
        list[str] | None, typer.Option(help="Column to judge value by value (repeatable).")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="What these rows are called; else as column split says.")
    ] = None,
    drop_missing: DropMissing = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Judge the scores of any model: every figure with its interval and method."""
    import polars as pl

    from greenstick.cli.classes import evaluate_table_of_classes
    from greenstick.evidence.class_rows import kind_of
    from greenstick.evidence.evidence import evaluate as judge
    from greenstick.evidence.evidence import write_evidence
    from greenstick.reports.page import write_report
    from greenstick.reports.terminal import print_evidence
    from greenstick.scores import (
        name_images,
        one_split,
        pool_by_patient,
        read_table,
        rows_where,
        tidy_scores,
        write_scores,
    )

    read = partial(read_table, columns=pairs_of(column))
    whole = read(scores)
    wanted = pairs_of(where)
    table = rows_where(whole, wanted)
    split, several = one_split(table), kind_of(table)
    _own_folder(output, "classes.json" if several else "evidence.json")
    if several:
        if positive or negative or percent or pool or prevalence or specificities or choose_on:
            raise typer.BadParameter("--positive, --pool and the like need a column 'score'.")
        evaluate_table_of_classes(
            table,
            output,
            threshold=threshold,
            rows=rows or split or "test",
            subgroups=subgroup or [],
            drop_missing=drop_missing,
            seed=seed,
            as_json=as_json,
        )
        return

    def ready(part: pl.DataFrame) -> pl.DataFrame:
        tidy = tidy_scores(part, positive=positive or [], negative=negative or [])
        tidy = tidy.with_columns(pl.col("score") / (100 if percent else 1))
        return tidy if pool is None else pool_by_patient(tidy, pool)

    table = ready(table)
    point = operating_point(
        threshold, choose_on, rule, target, whole=whole, where=wanted, read=read, ready=ready
    )
    if point is not None:
        table = table.drop("decision", strict=False)  # the threshold decides
    evidence = judge(
        table,
        point=point,
        rows=rows or split or "test",
        seed=seed,
        subgroups=subgroup or [],
        prevalence=prevalence,
        specificities=specificities,
        missing="drop" if drop_missing else "refuse",
    )
    write_scores(name_images(table), output / "scores.parquet")
    write_evidence(evidence, output / "evidence.json")
    page = write_report(output)
    if as_json:
        typer.echo(evidence.model_dump_json(indent=2))
    else:
        print_evidence(evidence, page)


@app.command(epilog="Example: greenstick compare a.csv b.csv -o out --margin 0.05")
def compare(
    scores: Annotated[
        list[Path], typer.Argument(help="CSV or Parquet of each model, or one of several models.")
    ],
    output: Annotated[Path, typer.Option("-o", help="Folder for the report and comparison.json.")],
    column: Columns = None,
    positive: Positive = None,
    negative: Negative = None,
    where: Where = None,
    threshold: Annotated[
        list[float] | None,
        typer.Option(help="Operating point fixed beforehand: one for all, or one a model."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0.0, help="Is the second at most this much worse?")
    ] = None,
    rows: Annotated[str, typer.Option(help="What these rows are called.")] = "test",
    drop_missing: DropMissing = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare models on the same images, two by two: differences with intervals and tests."""
    import polars as pl

    from greenstick.errors import GreenstickError
    from greenstick.evidence.comparisons import compare_all, contenders_of, write_comparisons
    from greenstick.reports.any_page import write_any_page
    from greenstick.reports.comparison_terminal import print_comparisons
    from greenstick.scores import (
        names_of,
        one_split,
        place_images,
        read_table,
        rows_where,
        tidy_scores,
    )

    _own_folder(output, "comparison.json")

    def model(path: Path) -> pl.DataFrame:
        try:
            table = rows_where(read_table(path, columns=pairs_of(column)), pairs_of(where))
            one_split(table)
            return tidy_scores(table, positive=positive or [], negative=negative or [])
        except GreenstickError as error:
            raise GreenstickError(f"{path}: {error.message}", remedy=error.remedy) from None

    names = names_of(scores)
    tables = place_images([model(path) for path in scores], [path.parent for path in scores])
    comparisons = compare_all(
        contenders_of(dict(zip(names, tables, strict=True)), threshold or []),
        rows=rows,
        margin=margin,
        seed=seed,
        missing="drop" if drop_missing else "refuse",
    )
    write_comparisons(comparisons, output / "comparison.json")
    page = write_any_page(output)
    if as_json:
        typer.echo(comparisons.model_dump_json(indent=2))
    else:
        print_comparisons(comparisons, page)


@app.command(epilog="Example: greenstick readers readers.csv -o out --call-from 3")
def readers(
    ratings: Annotated[
        Path, typer.Argument(help="CSV or Parquet with image, label, reader, score, modality.")
    ],
    output: Annotated[Path, typer.Option("-o", help="Folder for the report and readers.json.")],
    column: Columns = None,
    positive: Positive = None,
    call_from: Annotated[
        float | None, typer.Option(help="Lowest rating that calls a fracture; for 0 and 1 none.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Modality that others are compared with; else the first.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Scores of a model on the same images.")
    ] = None,
    scores_column: Annotated[
        list[str] | None, typer.Option(help="OURS=THEIRS in these scores (repeatable).")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="The model's operating point, fixed beforehand.")
    ] = None,
    drop_missing: DropMissing = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Judge readers, without and with AI: each, their agreement, and all of them together."""
    from greenstick.decision.operating_points import given_point
    from greenstick.evidence.readers.study import judge_readers, write_reader_study
    from greenstick.reports.any_page import write_any_page
    from greenstick.reports.readers_terminal import print_reader_study
    from greenstick.scores import read_scores

    _own_folder(output, "readers.json")
    study = judge_readers(
        read_scores(ratings, columns=pairs_of(column), positive=positive or []),
        call_from=call_from,
        reference=reference,
        model=None
        if scores is None
        else read_scores(scores, columns=pairs_of(scores_column), positive=positive or []),
        model_name="model" if scores is None else scores.stem,
        point=None if threshold is None else given_point(threshold),
        missing="drop" if drop_missing else "refuse",
        seed=seed,
    )
    write_reader_study(study, output / "readers.json")
    page = write_any_page(output)
    if as_json:
        typer.echo(study.model_dump_json(indent=2))
    else:
        print_reader_study(study, page)


@app.command(epilog="Example: greenstick report runs/x")
def report(
    run: Annotated[Path, typer.Argument(help="A run, or what evaluate, compare or readers wrote.")],
) -> None:
    """Write the page of a finished run, of scores, of a comparison or of a reader study."""
    from greenstick.reports.any_page import write_any_page

    typer.echo(write_any_page(run))
