"""A scores table as arrays that can be judged."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.decision.operating_points import OperatingPoint
from greenstick.errors import GreenstickError
from greenstick.evidence.estimates import Estimate
from greenstick.findings import Finding, Severity
from greenstick.scores import binary_labels, check_scores, name_images, patients_of

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
        return int(self.patients.max()) + 1

    @property
    def clustered(self) -> bool:
        """Whether any patient has several rows."""
        return self.n_patients < len(self)

    @property
    def patients_by_class(self) -> tuple[int, int]:
        """How many patients have an image with a fracture, and how many one without."""
        with_fracture = int((self.per_patient(self.labels) > 0).sum())
        return with_fracture, int((self.per_patient(~self.labels) > 0).sum())

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
    """Return how many distinct numbers, from 0 upwards, there are."""
    return int(np.count_nonzero(np.bincount(numbers)))


def usable(table: pl.DataFrame, missing: Missing) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the rows that have a label and a finite score, and what was found in the table.

    Raises
    ------
    GreenstickError
        Where an image is listed twice, nothing is left, or a label or score is missing and
        ``missing`` is ``"refuse"``.
    """
    findings = check_scores(table)
    refused = [f for f in findings if f.severity is Severity.ERROR]
    for finding in refused:
        if missing == "refuse" or finding.code == "duplicate-rows":
            raise GreenstickError(finding.message, remedy=finding.remedy)
    lost = {row for finding in refused for row in finding.rows}
    kept = table.filter(~pl.int_range(pl.len()).is_in(list(lost)))
    if kept.is_empty():
        raise GreenstickError("There are no scores to judge.", remedy="Check the table's rows.")
    return kept, [_as_warning(finding) for finding in findings]


def _as_warning(finding: Finding) -> Finding:
    """Return a finding on rows left out: the numbers stand, but for fewer rows."""
    if finding.severity is not Severity.ERROR:
        return finding
    message = f"{finding.message} They were left out: what a model cannot read counts against it."
    return replace(finding, severity=Severity.WARNING, message=message)


def to_rows(table: pl.DataFrame) -> ScoredRows:
    """Return the arrays of a table whose rows all have a label and a score."""
    return ScoredRows(
        labels=binary_labels(table["label"]).to_numpy() == 1,
        scores=table["score"].cast(pl.Float64).to_numpy(),
        patients=numbered(patients_of(table)),
        images=images_of(table),
    )


def images_of(table: pl.DataFrame) -> Ints:
    """Return the number of each row's image; one without a name is an image of its own."""
    if "image" not in table.columns:
        return np.arange(table.height)
    return numbered(name_images(table)["image"])


def numbered(names: pl.Series) -> Ints:
    """Return the number of each value among the distinct ones, from 0, in sorted order."""
    return (names.rank("dense") - 1).cast(pl.Int64).to_numpy()


def rows_of(table: pl.DataFrame, point: OperatingPoint) -> Bools:
    """Return which rows an operating point is for: those of its fold and repeat."""
    mine = np.ones(table.height, dtype=np.bool_)
    for column, value in (("repeat", point.repeat), ("fold", point.fold)):
        if value is not None and column in table.columns:
            mine &= (table[column] == value).fill_null(False).to_numpy()
    return mine


def undefined(name: str, rows: ScoredRows, level: float, why: str) -> Estimate:
    """Return an estimate that the rows do not determine, saying why."""
    return Estimate(
        name=name,
        value=None,
        lower=None,
        upper=None,
        level=level,
        method=f"not estimable: {why}",
        n_images=len(rows),
        n_patients=rows.n_patients,
    )
