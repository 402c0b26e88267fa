"""What every check is given: the cohort, one look at each image, and the copies among them."""

from dataclasses import dataclass

from greenstick.cohorts.audit.looks import Look
from greenstick.cohorts.cohort import Cohort


@dataclass(frozen=True)
class Pair:
    """Two rows that show the same picture.

    Attributes
    ----------
    first, second
        Row numbers, ``first < second``.
    how
        In words, e.g. ``"the same bytes"`` or ``"mirrored, likeness 0.98"``.
    exact
        Whether the two files have the same bytes.
    """

    first: int
    second: int
    how: str
    exact: bool


@dataclass(frozen=True, eq=False)
class Seen:
    """A cohort, its looks in row order, and all pairs of copies."""

    cohort: Cohort
    looks: list[Look]
    pairs: list[Pair]
