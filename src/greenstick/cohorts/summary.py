"""A cohort in numbers: what ``greenstick cohort show`` prints."""

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from greenstick.cohorts.cohort import SCHEMA, Cohort

#: A further column is counted value by value up to this many values.
MOST_VALUES = 20


class Count(BaseModel):
    """How many images and patients have a value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str = Field(description="the value as text; 'not given' for null")
    images: int
    patients: int = Field(description="patients with such an image; one may count for two values")
    fractured: int = Field(description="images among them with a fracture")


class CohortSummary(BaseModel):
    """A cohort in numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int
    patients: int
    patients_named: bool = Field(description="whether any image names its patient")
    patients_with_several: int = Field(description="patients with more than one image")
    labels: list[Count] = Field(description="fracture, no fracture, not given")
    splits: list[Count] = Field(description="by split; empty where no row has one")
    fracture_types: list[Count] = Field(description="by type; empty where no row has one")
    columns: dict[str, list[Count]] = Field(description="each further column of few values")
    images_annotated: int = Field(description="images whose boxes were drawn, be it none")
    images_with_boxes: int
    boxes: int
    notes: list[str] = Field(description="what was left out or taken for granted at import")

    def to_text(self) -> str:
        """Return the summary as lines of plain text."""
        several = f", {self.patients_with_several} with several" if self.patients_named else ""
        patients = (
            f"{self.patients} patients{several}" if self.patients_named else "no patients named"
        )
        lines = [f"{self.images} images, {patients}"]
        for title, counts in self._tables():
            lines += [title, *(_line(count) for count in counts)]
        lines.append(
            f"{self.boxes} boxes on {self.images_with_boxes} images; "
            f"{self.images_annotated} images annotated"
        )
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    def _tables(self) -> list[tuple[str, list[Count]]]:
        named = [("label", self.labels), ("split", self.splits), ("type", self.fracture_types)]
        return [(title, counts) for title, counts in [*named, *self.columns.items()] if counts]


def _line(count: Count) -> str:
    return (
        f"  {count.value}: {count.images} images of {count.patients} patients, "
        f"{count.fractured} fractured"
    )


def summarize(cohort: Cohort) -> CohortSummary:
    """Count a cohort's images and patients by label, split, type and further columns."""
    table = cohort.table.with_columns(_patient=cohort.patients())
    boxes = table["boxes"].list.len()
    an_image = table.group_by("_patient").len()["len"]
    word = pl.col("label").replace_strict({1: "fracture", 0: "no fracture"}, default=None)
    return CohortSummary(
        images=table.height,
        patients=an_image.len(),
        patients_named=table["patient"].null_count() < table.height,
        patients_with_several=int((an_image > 1).sum()),
        labels=_counts(table.with_columns(label_word=word), "label_word"),
        splits=_given(table, "split"),
        fracture_types=_given(table, "fracture_type"),
        columns={
            name: _counts(table, name)
            for name in cohort.table.columns
            if name not in SCHEMA and _has_few_values(cohort.table[name])
        },
        images_annotated=boxes.drop_nulls().len(),
        images_with_boxes=int((boxes > 0).sum()),
        boxes=int(boxes.sum() or 0),
        notes=list(cohort.notes),
    )


def _has_few_values(column: pl.Series) -> bool:
    unwritten = column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Duration, pl.Object)
    return not unwritten and column.n_unique() <= MOST_VALUES


def _given(table: pl.DataFrame, name: str) -> list[Count]:
    return [] if table[name].null_count() == table.height else _counts(table, name)


def _counts(table: pl.DataFrame, name: str) -> list[Count]:
    """Count by value, in the order train, valid, test for splits, else most images first."""
    counted = table.group_by(pl.col(name).cast(pl.String).alias("value")).agg(
        pl.len().alias("images"),
        pl.col("_patient").n_unique().alias("patients"),
        (pl.col("label") == 1).sum().alias("fractured"),
    )
    order = pl.col("value").replace_strict(
        {"train": 0, "valid": 1, "test": 2}, default=3, return_dtype=pl.Int8
    )
    counted = counted.sort(
        pl.col("value").is_null(), order, pl.col("images"), pl.col("value"),
        descending=[False, False, True, False],
    )  # fmt: skip
    rows = counted.with_columns(pl.col("value").fill_null("not given")).to_dicts()
    return [Count(**row) for row in rows]
