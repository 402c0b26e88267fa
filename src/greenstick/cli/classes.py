"""What ``evaluate`` does with the scores of several classes."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import polars as pl


def evaluate_table_of_classes(
    table: "pl.DataFrame",
    output: Path,
    *,
    threshold: float | None,
    rows: str,
    subgroups: list[str],
    drop_missing: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Judge each class and all of them; write ``classes.json`` and its page."""
    from greenstick.decision.operating_points import given_point
    from greenstick.evidence.class_rows import classes_of
    from greenstick.evidence.multiclass import evaluate_classes, write_class_evidence
    from greenstick.reports.classes_page import write_classes_page
    from greenstick.reports.classes_terminal import print_class_evidence
    from greenstick.scores import name_images, write_scores

    points = {}
    if threshold is not None:  # it overrides what the table says is called
        points = dict.fromkeys(classes_of(table), given_point(threshold))
        table = table.drop([c for c in table.columns if c.startswith("decision_")])
    evidence = evaluate_classes(
        table,
        points=points,
        rows=rows,
        subgroups=subgroups,
        missing="drop" if drop_missing else "refuse",
        seed=seed,
    )
    write_scores(name_images(table), output / "scores.parquet")
    write_class_evidence(evidence, output / "classes.json")
    page = write_classes_page(output)
    if as_json:
        typer.echo(evidence.model_dump_json(indent=2))
    else:
        print_class_evidence(evidence, page)
