"""Models side by side: each figure of each pair, as a forest plot and as a table."""

from dataclasses import dataclass

from markupsafe import Markup

from greenstick.evidence.comparisons import Comparisons
from greenstick.evidence.estimates import Difference
from greenstick.findings import Finding, Severity
from greenstick.reports import figures

#: Losses: less is better.
LOSSES = ("Brier score", "log loss")


@dataclass(frozen=True)
class Compared:
    """A figure of one pair of models."""

    first: str
    second: str
    difference: Difference


@dataclass(frozen=True, eq=False)
class ComparedFigure:
    """A figure of every pair.

    ``less_is_better`` for losses; ``tested`` where any pair has a p value, ``corrected`` where it
    is corrected for the number of pairs.
    """

    name: str
    pairs: list[Compared]
    plot: Markup
    less_is_better: bool
    tested: bool
    corrected: bool


def compared_figures(comparisons: Comparisons) -> list[ComparedFigure]:
    """Return each figure in the order of the first pair, with its forest plot."""
    names = dict.fromkeys(d.name for pair in comparisons.pairs for d in pair.differences)
    return [_figure(comparisons, name, place) for place, name in enumerate(names)]


def _figure(comparisons: Comparisons, name: str, place: int) -> ComparedFigure:
    pairs = [
        Compared(pair.first, pair.second, found)
        for pair in comparisons.pairs
        for found in pair.differences
        if found.name == name
    ]
    rows = [
        figures.ForestRow(
            f"{one.second} − {one.first}",
            one.difference.difference,
            one.difference.lower,
            one.difference.upper,
        )
        for one in pairs
    ]
    plot = figures.forest(
        rows, name=f"compared-{place}", axis=f"Difference of {name}", line=0.0, signed=True
    )
    return ComparedFigure(
        name=name,
        pairs=pairs,
        plot=plot,
        less_is_better=name in LOSSES,
        tested=any(one.difference.p_value is not None for one in pairs),
        corrected=any(one.difference.p_holm is not None for one in pairs),
    )


def comparison_findings(comparisons: Comparisons) -> list[Finding]:
    """Return what was found of any pair, each once."""
    found = [finding for pair in comparisons.pairs for finding in pair.findings]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def grave(findings: list[Finding]) -> list[Finding]:
    """Return what makes the numbers untrue."""
    return [one for one in findings if one.severity is Severity.ERROR]
