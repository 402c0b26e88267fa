"""What a backbone reaches against what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from greenstick.evidence.estimates import Estimate
from greenstick.reports import ink
from greenstick.reports.wording import number


@dataclass(frozen=True)
class CostPoint:
    """A backbone's cost, and its AUROC with an interval."""

    name: str
    cost: float
    auroc: Estimate


def cost(points: Sequence[CostPoint], *, name: str, axis: str) -> Markup:
    """Draw AUROC over a cost on a logarithmic axis; ``name`` is unique on the page."""
    with ink.style():
        figure = ink.blank(4.3, 3.3)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        axes.set_xscale("log")
        middle = (min(p.cost for p in points) * max(p.cost for p in points)) ** 0.5
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        for place, point in enumerate(sorted(points, key=lambda one: one.auroc.value or 0.0)):
            area = point.auroc
            if area.value is None:
                continue
            if area.lower is not None and area.upper is not None:
                axes.plot([point.cost] * 2, [area.lower, area.upper], color=ink.SOFT, linewidth=0.9)
            axes.plot(point.cost, area.value, "o", ms=6, mfc=ink.ACCENT, mec=ink.ACCENT)
            left = point.cost > middle
            axes.annotate(
                point.name, (point.cost, area.value), fontsize=8.5,
                xytext=(-7 if left else 7, -11 if place % 2 else 4), textcoords="offset points",
                ha="right" if left else "left",
            )  # fmt: skip
        axes.set(xlabel=axis, ylabel="AUROC")
        axes.margins(x=0.15)
        said = "; ".join(
            f"{p.name}: {number(p.cost)}, AUROC {number(p.auroc.value)}" for p in points
        )
        return ink.to_svg(figure, name, f"AUROC over {axis.lower()}. {said}.")
