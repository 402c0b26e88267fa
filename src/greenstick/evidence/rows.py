"""A scores table as arrays that can be judged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.scores import need_columns, patients_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Missing = Literal["refuse", "drop"]


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Labels and scores of n images, and whose they are.

    Attributes
    ----------
    labels
        (n,) true where there is a fracture.
    scores
        (n,) finite, higher means fracture.
    patients
        (n,) numbers 0 to n_patients - 1.
    images
        (n,) numbers of the distinct images; an image is listed again in each repeat.
    """

    labels: Bools
    scores: Floats
    patients: Ints
    images: Ints

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_patients(self) -> int:
        """How many patients there are."""
        return count(self.patients)

    @property
    def clustered(self) -> bool:
        """Whether any patient has several rows."""
        return self.n_patients < len(self)

    @property
    def probabilities(self) -> bool:
        """Whether every score lies within [0, 1]."""
        return bool(((self.scores >= 0) & (self.scores <= 1)).all())

    def take(self, which: Bools) -> "ScoredRows":
        """Return some of the rows; patients are numbered anew."""
        _, patients = np.unique(self.patients[which], return_inverse=True)
        return ScoredRows(
            self.labels[which], self.scores[which], patients.astype(np.int64), self.images[which]
        )

    def per_patient(self, values: NDArray[np.generic]) -> Floats:
        """Return the sum of (n,) values in each patient, (n_patients,)."""
        sums = np.bincount(self.patients, values.astype(np.float64), minlength=self.n_patients)
        return np.asarray(sums, dtype=np.float64)


def count(numbers: Ints) -> int:
    """Return how many distinct numbers there are."""
    return len(np.unique(numbers))


def usable(table: pl.DataFrame, missing: Missing) -> pl.DataFrame:
    """Return the rows that have a label and a finite score; refuse or drop the others."""
    need_columns(table, "label", "score")
    score = pl.col("score").cast(pl.Float64)
    kept = table.filter(pl.col("label").is_not_null() & score.is_not_null() & score.is_finite())
    lost = table.height - kept.height
    if lost and missing == "refuse":
        raise GreenstickError(
            f"{lost} of {table.height} rows have no label or no finite score.",
            remedy="Find out why: what a model could not read counts against it. "
            "missing='drop' leaves them out and says so.",
        )
    if kept.is_empty():
        raise GreenstickError("There are no scores to judge.", remedy="Check the table's rows.")
    return kept


def to_rows(table: pl.DataFrame) -> ScoredRows:
    """Return the arrays of a table whose rows all have a label and a score."""
    images = table["image"] if "image" in table.columns else pl.arange(table.height, eager=True)
    return ScoredRows(
        labels=table["label"].cast(pl.Int64).to_numpy() == 1,
        scores=table["score"].cast(pl.Float64).to_numpy(),
        patients=_numbered(patients_of(table)),
        images=_numbered(images),
    )


def _numbered(names: pl.Series) -> Ints:
    return (names.rank("dense") - 1).cast(pl.Int64).to_numpy()
