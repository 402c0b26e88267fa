"""A cohort in numbers."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import Cohort, make_cohort
from greenstick.cohorts.summary import CohortSummary, summarize

BOX = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}


def cohort() -> Cohort:
    table = pl.DataFrame(
        {
            "image": ["1", "2", "3", "4", "5"],
            "patient": ["p", "p", "q", None, None],
            "label": [1, 0, 1, 0, None],
            "fracture_type": ["spiral", None, "spiral", None, None],
            "boxes": [[BOX, BOX], [], None, [], None],
            "split": ["test", "test", "train", "valid", None],
            "part": ["hand", "leg", "hand", "hand", None],
            "number": range(5),
        }
    )
    made = make_cohort(table, Path())
    return Cohort(made.table, made.root, notes=("One was left out.",))


def by_value(counts: list[object]) -> dict[str, tuple[int, int, int]]:
    return {c.value: (c.images, c.patients, c.fractured) for c in counts}  # type: ignore[attr-defined]


def test_counts() -> None:
    summary = summarize(cohort())
    assert (summary.images, summary.patients, summary.patients_with_several) == (5, 4, 1)
    assert summary.patients_named
    assert by_value([*summary.labels]) == {
        "fracture": (2, 2, 2),
        "no fracture": (2, 2, 0),
        "not given": (1, 1, 0),
    }
    assert [count.value for count in summary.splits] == ["train", "valid", "test", "not given"]
    assert by_value([*summary.splits])["test"] == (2, 1, 1)
    assert by_value([*summary.fracture_types])["spiral"] == (2, 2, 2)
    assert by_value([*summary.columns["part"]]) == {
        "hand": (3, 3, 2),
        "leg": (1, 1, 0),
        "not given": (1, 1, 0),
    }
    assert (summary.images_annotated, summary.images_with_boxes, summary.boxes) == (3, 1, 2)


def test_what_was_not_given_is_not_counted() -> None:
    made = make_cohort(pl.DataFrame({"image": ["1", "2"], "label": [0, 1]}), Path())
    summary = summarize(made)
    assert summary.splits == summary.fracture_types == []
    assert summary.columns == {}
    assert not summary.patients_named
    assert (summary.boxes, summary.images_annotated) == (0, 0)
    assert "no patients named" in summary.to_text()


def test_columns_of_many_values_are_passed_over() -> None:
    many = pl.DataFrame({"image": map(str, range(50)), "label": [0, 1] * 25, "age": range(50)})
    assert summarize(make_cohort(many, Path())).columns == {}


def test_columns_that_cannot_be_written_are_passed_over() -> None:
    further = {"took": [timedelta(1)] * 2, "bytes": [b"\xff"] * 2, "day": [date(2020, 1, 2)] * 2}
    table = pl.DataFrame({"image": ["1", "2"], "label": [0, 1]} | further)
    assert list(summarize(make_cohort(table, Path())).columns) == ["day"]


def test_text_and_json() -> None:
    summary = summarize(cohort())
    assert summary.to_text().splitlines()[:3] == [
        "5 images, 4 patients, 1 with several",
        "label",
        "  fracture: 2 images of 2 patients, 2 fractured",
    ]
    assert summary.to_text().endswith("Note: One was left out.")
    assert CohortSummary.model_validate_json(summary.model_dump_json()) == summary
