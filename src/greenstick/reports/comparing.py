"""Models side by side: each figure of each pair, as a forest plot and as a table."""

from dataclasses import dataclass

from markupsafe import Markup

from greenstick.evidence.comparisons import Comparisons
from greenstick.evidence.each_model import ModelFigures
from greenstick.evidence.estimates import Difference
from greenstick.evidence.resampling import LOSSES
from greenstick.findings import Finding, Severity
from greenstick.reports import figures
from greenstick.reports.wording import find

#: What is drawn of each model by itself, where it has it.
ALONE = ("AUROC", "average precision", "sensitivity", "specificity")


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


@dataclass(frozen=True, eq=False)
class EachModel:
    """Every model by itself: forest plots by figure, and curves over each other."""

    forests: list[tuple[str, Markup]]
    rocs: Markup
    benefits: Markup | None


def each_model(comparisons: Comparisons) -> EachModel | None:
    """Return what each model reaches; None where the file does not say (an older one)."""
    each = comparisons.each
    if not each:
        return None
    benefits = {one.name: one.net_benefit for one in each if one.net_benefit is not None}
    share = each[0].n_positive / each[0].n_images
    return EachModel(
        forests=[
            (name, plot) for name in ALONE if (plot := _forest_of_models(each, name)) is not None
        ],
        rocs=figures.rocs({one.name: one.roc for one in each}),
        benefits=figures.net_benefits(benefits, share) if benefits else None,
    )


def _forest_of_models(each: list[ModelFigures], name: str) -> Markup | None:
    found = [(one.name, find(one.estimates, name)) for one in each]
    rows = [figures.ForestRow(model, e.value, e.lower, e.upper) for model, e in found if e]
    if not rows:
        return None
    plot_name = f"each-{name.replace(' ', '-')}"
    return figures.forest(rows, name=plot_name, axis=name, line=None)


def comparison_findings(comparisons: Comparisons) -> list[Finding]:
    """Return what was found of any pair, each once."""
    found = [finding for pair in comparisons.pairs for finding in pair.findings]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def grave(findings: list[Finding]) -> list[Finding]:
    """Return what makes the numbers untrue."""
    return [one for one in findings if one.severity is Severity.ERROR]
