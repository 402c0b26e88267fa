"""A table of several kinds of finding as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from greenstick.errors import GreenstickError
from greenstick.evidence.rows import (
    Bools,
    Floats,
    Ints,
    Missing,
    ScoredRows,
    images_of,
    numbered,
)
from greenstick.scores import (
    binary_labels,
    need_columns,
    patients_of,
    refuse_copies,
    score_numbers,
)

Kind = Literal["multi-class", "multi-label"]
LABEL, SCORE = "label_", "score_"


@dataclass(frozen=True, eq=False)
class ClassRows:
    """n images, each of one of k classes (multi-class) or of any of them (multi-label).

    Attributes
    ----------
    kind
        Which of the two.
    classes
        (k,) names.
    labels, known
        (k, n) true where an image is of the class, and where it is known whether it is.
    scores
        (k, n) higher means the class.
    patients, images
        (n,) numbers, as in :class:`~greenstick.evidence.rows.ScoredRows`.
    """

    kind: Kind
    classes: tuple[str, ...]
    labels: Bools
    known: Bools
    scores: Floats
    patients: Ints
    images: Ints

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def n_patients(self) -> int:
        """How many patients there are."""
        return int(self.patients.max()) + 1

    @property
    def probabilities(self) -> bool:
        """Whether the scores of each image are shares of 1 (multi-class) or lie within [0, 1]."""
        inside = bool(((self.scores >= 0) & (self.scores <= 1)).all())
        if self.kind == "multi-label":
            return inside
        return inside and bool(np.allclose(self.scores.sum(axis=0), 1, atol=1e-3))

    def of_class(self, place: int) -> ScoredRows:
        """Return one class against the rest, patients numbered as here."""
        known = self.known[place]
        return ScoredRows(
            self.labels[place, known],
            self.scores[place, known],
            self.patients[known],
            self.images[known],
        )

    def with_scores(self, labels: Bools, scores: Floats) -> ScoredRows:
        """Return all images with other labels and scores."""
        return ScoredRows(labels, scores, self.patients, self.images)

    def per_patient(self, values: Floats, among: Bools | None = None) -> Floats:
        """Return the sum of values in each patient, (n_patients,); of some images' where given."""
        patients = self.patients if among is None else self.patients[among]
        sums = np.bincount(patients, values, minlength=self.n_patients)
        return np.asarray(sums, dtype=np.float64)


def kind_of(table: pl.DataFrame) -> Kind | None:
    """Return which kind of table has a score for each of several classes; None for one score."""
    named = [c for c in table.columns if c.startswith(SCORE)]
    if "score" in table.columns or not named:
        return None
    several = any(
        c.startswith(LABEL) and c.replace(LABEL, SCORE, 1) in named for c in table.columns
    )
    return "multi-label" if several else "multi-class"


def classes_of(table: pl.DataFrame) -> list[str]:
    """Return the names of the classes that have scores."""
    return [c.removeprefix(SCORE) for c in table.columns if c.startswith(SCORE)]


def to_class_rows(
    table: pl.DataFrame, classes: Sequence[str], kind: Kind, missing: Missing = "refuse"
) -> tuple[ClassRows, pl.DataFrame]:
    """Return the arrays of a table, and the rows of it that they are of.

    Parameters
    ----------
    table
        ``score_<class>`` for each class; ``label``, the name of each image's class, or
        ``label_<class>``, 0 or 1 (null where unknown) for each; optionally ``image``, ``patient``.
    classes, kind
        Names, and whether they exclude each other.
    missing
        ``"refuse"`` images without a score, a label, or (multi-label) any label; or ``"drop"``
        them.

    Raises
    ------
    GreenstickError
        Where there are fewer than two classes, a column is missing, a label is of none of them,
        an image is listed twice, or a value is missing and ``missing`` is ``"refuse"``.
    """
    _check_classes(classes)
    named = [LABEL + c for c in classes] if kind == "multi-label" else ["label"]
    need_columns(table, *named, *(SCORE + c for c in classes))
    refuse_copies(table)
    table = table.with_columns(score_numbers(table[SCORE + c]) for c in classes)
    usable = _usable(table, classes, named)
    if not usable.all() and missing == "refuse":
        raise GreenstickError(
            f"{int((~usable).sum())} of {len(usable)} rows lack a label or a finite score.",
            remedy="Find out why; leave them out only if you say so in the report.",
        )
    table = table.filter(usable)
    if table.is_empty():
        raise GreenstickError("There are no scores to judge.", remedy="Check the table's rows.")
    labels, known = _labels(table, classes, kind)
    rows = ClassRows(
        kind=kind,
        classes=tuple(classes),
        labels=labels,
        known=known,
        scores=table.select(SCORE + c for c in classes).to_numpy().T,
        patients=numbered(patients_of(table)),
        images=images_of(table),
    )
    return rows, table


def _check_classes(classes: Sequence[str]) -> None:
    if len(set(classes)) < 2 or len(set(classes)) < len(classes):
        raise GreenstickError(
            f"There are scores for {', '.join(classes) or 'no class'}: two different ones are "
            "needed.",
            remedy="Give each class a column score_<class>; judge a single one as 'score'.",
        )


def _usable(table: pl.DataFrame, classes: Sequence[str], labels: Sequence[str]) -> pl.Series:
    """Return which rows have all scores, and a label or (of several) at least one."""
    scored = pl.all_horizontal(
        pl.col(SCORE + c).is_not_null() & pl.col(SCORE + c).is_finite() for c in classes
    )
    labeled = pl.any_horizontal(pl.col(c).is_not_null() for c in labels)
    return table.select((scored & labeled).fill_null(False).alias("usable")).to_series()


def _labels(table: pl.DataFrame, classes: Sequence[str], kind: Kind) -> tuple[Bools, Bools]:
    if kind == "multi-label":
        columns = [binary_labels(table[LABEL + c]) for c in classes]
        labels = np.stack([(c == 1).fill_null(False).to_numpy() for c in columns])
        return labels, np.stack([c.is_not_null().to_numpy() for c in columns])
    found = table["label"].cast(pl.String)
    strange = sorted(set(found) - set(classes))
    if strange:
        raise GreenstickError(
            f"Labels hold {', '.join(strange[:5])}, and there are scores for {', '.join(classes)}.",
            remedy="Give each class a column score_<class>.",
        )
    labels = np.stack([(found == c).to_numpy() for c in classes])
    return labels, np.ones_like(labels)
