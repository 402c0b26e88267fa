"""A detector's curves and bars: FROC, AFROC, precision over recall, and figures by kind of box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from greenstick.evidence.estimates import Curve, Estimate
from greenstick.reports import ink
from greenstick.reports.figures.curves import MarkedPoint, draw_curve, mark, titles
from greenstick.reports.wording import interval, number

_RATES = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1.0: "1", 2.0: "2", 4.0: "4", 8.0: "8"}
_COLORS = (ink.NO_FRACTURE, ink.ACCENT, ink.FRACTURE, ink.SOFT)
_DASHES = ("-", (0, (4, 2)), (0, (1, 1)))
_BAR_IN = 0.19


def froc(curve: Curve, mean: Estimate | None, point: MarkedPoint | None) -> Markup:
    """Draw sensitivity over false positives an image, on a logarithmic axis from 1/32 to 8."""
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(list(_RATES), list(_RATES.values()))
        axes.set(xlim=(curve.x[0], curve.x[-1] * 1.04), ylim=(-0.01, 1.01))
        axes.set(xlabel="False positives an image", ylabel="Sensitivity (true boxes found)")
        axes.set_box_aspect(1)
        draw_curve(axes, curve)
        inside = point is not None and curve.x[0] <= point.x <= curve.x[-1]
        mark(axes, point if inside else None)
        titles(axes, "Mean sensitivity", mean, point if inside else None)
        return ink.to_svg(figure, "froc", _alt("FROC curve", "mean sensitivity", mean, point))


def afroc(curve: Curve, area: Estimate | None) -> Markup:
    """Draw sensitivity over the share of images without a fracture that have a false positive."""
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        ink.unit_axes(
            axes, x="Images without a fracture that are called", y="Sensitivity (true boxes found)"
        )
        draw_curve(axes, curve)
        titles(axes, "AFROC", area, None)
        return ink.to_svg(figure, "afroc", _alt("AFROC curve", "area", area, None))


def box_precisions(
    curves: Mapping[str, Curve], means: Mapping[str, Estimate | None], point: MarkedPoint | None
) -> Markup:
    """Draw precision over recall at several values of IoU, each with its band.

    Parameters
    ----------
    curves, means
        By what each is called, e.g. ``"IoU 0.5"``; ``means`` are their mAP.
    point
        The confidence, as it lies beside them.
    """
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        ink.unit_axes(axes, x="Recall", y="Precision")
        for place, (name, curve) in enumerate(curves.items()):
            color, dashes = _COLORS[place % 4], _DASHES[place % 3]
            axes.fill_between(
                curve.x, curve.lower, curve.upper, color=color, alpha=0.11, linewidth=0
            )
            mean = means.get(name)
            words = name if mean is None else f"{name}: mAP {number(mean.value)}"
            axes.plot(curve.x, curve.y, color=color, linestyle=dashes, linewidth=1.4, label=words)
        mark(axes, point)
        titles(axes, "", None, point)
        axes.legend(loc="upper right", frameon=False, fontsize=8.5)
        said = "; ".join(f"{name}, mAP {number(m.value)}" for name, m in means.items() if m)
        return ink.to_svg(figure, "box-precisions", f"Precision over recall. {said}.")


@dataclass(frozen=True)
class BarGroup:
    """Figures of one kind of box: what stands beside them, and each by its name."""

    label: str
    estimates: Mapping[str, Estimate]


def bars(groups: Sequence[BarGroup], *, name: str) -> Markup:
    """Draw the same figures of several kinds as bars from 0 to 1, each with its interval.

    ``name`` is unique on the page.
    """
    measures = list(dict.fromkeys(one for group in groups for one in group.estimates))
    height = len(measures) * _BAR_IN
    with ink.style():
        figure = ink.blank(6.2, 0.9 + (height + 0.14) * len(groups))
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        for place, measure in enumerate(measures):
            offset = (place - (len(measures) - 1) / 2) * 0.86 / len(measures)
            color = _COLORS[place % 4]
            for row, group in enumerate(groups):
                _bar(axes, group.estimates.get(measure), row + offset, 0.7 / len(measures), color)
            axes.barh([0], [0], color=color, alpha=0.55, label=measure)
        axes.set_yticks(np.arange(len(groups)), [group.label for group in groups])
        axes.tick_params(axis="y", length=0, labelcolor=ink.INK)
        axes.grid(visible=False, axis="y")
        axes.set(xlim=(0, 1.01), ylim=(len(groups) - 0.5, -0.5))
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=len(measures),
            frameon=False,
            fontsize=8.5,
        )
        said = "; ".join(
            f"{group.label}: "
            + ", ".join(f"{n} {number(e.value)}" for n, e in group.estimates.items())
            for group in groups
        )
        return ink.to_svg(figure, name, f"{said}.")


def _bar(axes: Axes, estimate: Estimate | None, at: float, height: float, color: str) -> None:
    if estimate is None or estimate.value is None:
        return
    axes.barh(at, estimate.value, height=height, color=color, alpha=0.55, linewidth=0)
    if estimate.lower is not None and estimate.upper is not None:
        axes.plot([estimate.lower, estimate.upper], [at, at], color=ink.INK, linewidth=1.0)


def _alt(name: str, what: str, estimate: Estimate | None, point: MarkedPoint | None) -> str:
    parts = [name]
    if estimate is not None:
        parts.append(f"{what} {number(estimate.value)}, interval {interval(estimate)}")
    if point is not None:
        parts.append(f"{point.name}: x {point.x:.3f}, y {point.y:.3f}")
    return "; ".join(parts) + "."
