"""Forest plots: figures with their intervals under each other, on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from greenstick.reports import ink
from greenstick.reports.wording import number
from greenstick.reports.wording import signed as as_signed

_ROW_IN = 0.27


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot.

    Attributes
    ----------
    label
        What stands beside it.
    value, lower, upper
        The figure and its interval; a row without a value says so.
    faint
        Too little behind it to conclude from: gray, with a hollow mark.
    """

    label: str
    value: float | None
    lower: float | None
    upper: float | None
    faint: bool = False


def forest(
    rows: Sequence[ForestRow], *, name: str, axis: str, line: float | None, signed: bool = False
) -> Markup:
    """Draw rows from top to bottom.

    Parameters
    ----------
    name
        Unique on the page.
    axis
        What the axis measures.
    line
        Where a dotted line stands: the figure of all rows, or no difference.
    signed
        Write values with their sign, as differences are.
    """
    with ink.style():
        figure = ink.blank(6.2, 0.75 + _ROW_IN * len(rows))
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        if line is not None:
            axes.axvline(line, color=ink.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        for place, row in enumerate(rows):
            color = ink.SOFT if row.faint else ink.INK
            if row.value is None:
                continue
            if row.lower is not None and row.upper is not None:
                axes.plot([row.lower, row.upper], [place, place], color=color, linewidth=1.2)
            face = ink.PAPER if row.faint else color
            axes.plot(row.value, place, "o", ms=5, mfc=face, mec=color, mew=1.2)
        axes.set_yticks(np.arange(len(rows)), [row.label for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(ink.SOFT if row.faint else ink.INK)
        right = axes.secondary_yaxis("right")
        right.set_yticks(np.arange(len(rows)), [_values(row, signed=signed) for row in rows])
        right.spines["right"].set_visible(False)
        right.tick_params(length=0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        axes.set(ylim=(len(rows) - 0.5, -0.6), xlabel=axis)
        axes.locator_params(axis="x", nbins=6)
        said = "; ".join(f"{row.label}: {_values(row, signed=signed)}" for row in rows)
        return ink.to_svg(figure, name, f"{axis}. {said}.")


def _values(row: ForestRow, *, signed: bool) -> str:
    if row.value is None:
        return "not estimable"
    text = as_signed(row.value) if signed else number(row.value)
    if row.lower is None or row.upper is None:
        return text
    return f"{text} ({number(row.lower)} to {number(row.upper)})"
