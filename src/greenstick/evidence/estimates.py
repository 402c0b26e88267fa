"""The nouns of evidence: a number with its interval, a curve with its band, a table of four."""

from collections.abc import Iterable
from typing import Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from greenstick.errors import GreenstickError


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


N = TypeVar("N", bound=Named)


def named(everything: Iterable[N], name: str, *, where: str) -> N:
    """Return the first of a name; ``where`` they stand is for the error, e.g. "evidence".

    Raises
    ------
    GreenstickError
        Where none has the name.
    """
    first: dict[str, N] = {}
    for each in everything:
        first.setdefault(each.name, each)
    if name not in first:
        raise GreenstickError(
            f"The {where} holds no {name!r}.", remedy=f"It holds: {', '.join(first)}."
        )
    return first[name]


class Record(BaseModel):
    """A frozen record of ``evidence.json``; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(Record):
    """A number, how sure it is, and on what it rests.

    Attributes
    ----------
    name
        What was estimated, e.g. ``"sensitivity"``.
    value
        The estimate; None where the rows do not determine it (e.g. PPV with no positive call), or
        where it is infinite (a ratio to 0): it then has a lower limit.
    lower, upper
        Limits of the interval. None where there is no such limit: an unbounded ratio has
        ``upper=None`` and a ``value``.
    level
        Nominal coverage of the interval, e.g. 0.95.
    method
        How the interval was made, with author and year.
    n_images, n_patients
        How many rows, of how many patients, the number is a statement about: for a sensitivity,
        those with a fracture.
    """

    name: str
    value: float | None
    lower: float | None
    upper: float | None
    level: float
    method: str
    n_images: int
    n_patients: int

    @property
    def infinite(self) -> bool:
        """Whether it is a ratio to 0, of which only the lower limit is a number."""
        return self.value is None and self.lower is not None

    def __str__(self) -> str:
        if self.value is None and not self.infinite:
            return f"{self.name}: not estimable"
        value = "∞" if self.value is None else f"{self.value:.3f}"
        if self.lower is None and self.upper is None:
            return f"{self.name} {value} (no interval)"
        low = "-∞" if self.lower is None else f"{self.lower:.3f}"
        high = "∞" if self.upper is None else f"{self.upper:.3f}"
        return f"{self.name} {value} ({self.level:.0%} interval {low} to {high})"


class Curve(Record):
    """A curve on a fixed grid, with a pointwise band by patient bootstrap.

    ROC: ``x`` is 1 - specificity, ``y`` sensitivity. Precision-recall: ``x`` is recall.
    """

    x: list[float]
    y: list[float]
    lower: list[float]
    upper: list[float]
    level: float = 0.95

    @classmethod
    def empty(cls) -> Self:
        """Return a curve of no points, for rows of one class."""
        return cls(x=[], y=[], lower=[], upper=[])


class ReliabilityBin(Record):
    """What happened among the images whose score fell into one bin.

    Attributes
    ----------
    left, right
        Edges of the bin; the left edge belongs to it, the right one only in the last bin.
    n
        Images in the bin.
    mean_score, observed
        Mean predicted probability, and the share that had a fracture; None in an empty bin.
    lower, upper
        Wilson interval of ``observed`` (with the effective number of images where patients have
        several).
    """

    left: float
    right: float
    n: int
    mean_score: float | None
    observed: float | None
    lower: float | None
    upper: float | None


class BrierParts(Record):
    """The Brier score as reliability - resolution + uncertainty, within bins of the score."""

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    bins: int


class SignificanceTest(Record):
    """A statistic with its p value; ``question`` is what a small p value answers with no.

    Attributes
    ----------
    statistic, p_value
        None where the rows do not determine them.
    """

    name: str
    question: str
    statistic: float | None
    p_value: float | None
    method: str


class Difference(Record):
    """One figure of two models on the same images, and second minus first with its interval.

    Attributes
    ----------
    p_value
        Of the hypothesis that there is no difference; None where no test is made.
    p_holm
        The same, corrected for how many pairs of models are compared in this figure (Holm 1979);
        None where there is one pair, or no test.
    non_inferior
        Whether the interval's limit excludes that the second is worse than the first by the
        stated margin; None where no margin was stated.
    """

    name: str
    first: float
    second: float
    difference: float
    lower: float | None
    upper: float | None
    level: float
    method: str
    p_value: float | None = None
    test: str = ""
    p_holm: float | None = None
    non_inferior: bool | None = None


class Optimism(Record):
    """A figure as reported, as a threshold chosen on the judged rows would have it, and the gap.

    ``nested`` is the honest one: its threshold comes from other rows.
    """

    name: str
    nested: float
    apparent: float
    optimism: float


class ThresholdSpread(Record):
    """How far the thresholds lie apart that the folds of a cross-validation chose.

    ``sd`` is the standard deviation over folds: what one more training would move a threshold by.
    """

    n: int
    lowest: float
    median: float
    highest: float
    sd: float


class Confusion(Record):
    """Counts of images at the operating point."""

    tp: int
    fp: int
    fn: int
    tn: int


class DecisionCurve(Record):
    """Net benefit of acting on the scores, in fractures per image, over thresholds.

    ``treat_all`` is that of acting on every image; that of acting on none is 0. The limits are
    pointwise, and empty where there is only one patient.
    """

    thresholds: list[float]
    model: list[float]
    lower: list[float]
    upper: list[float]
    treat_all: list[float]
    level: float
    method: str


class Subgroup(Record):
    """The same figures within one value of a column.

    ``too_small`` where it has fewer than ten patients with or without a fracture: its numbers
    are then shown for completeness and support no conclusion.
    """

    column: str
    value: str
    n_images: int
    n_patients: int
    n_positive: int
    estimates: list[Estimate]
    too_small: bool
