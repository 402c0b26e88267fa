"""ROC and precision-recall curves, with the operating point on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from greenstick.evidence.estimates import Curve, Estimate
from greenstick.reports import ink
from greenstick.reports.wording import interval, number

_COLORS = (ink.NO_FRACTURE, ink.FRACTURE, ink.ACCENT, ink.INK, ink.SOFT)
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1)))


@dataclass(frozen=True)
class MarkedPoint:
    """The operating point as it lies on a curve, with the interval of each coordinate.

    ``name`` is what is written of it, e.g. ``"threshold 0.41"``.
    """

    name: str
    x: float
    y: float
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None


def roc(curve: Curve, area: Estimate | None, point: MarkedPoint | None) -> Markup:
    """Draw the ROC curve with its band; x is 1 - specificity, y is sensitivity."""
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        ink.unit_axes(axes, x="1 − specificity", y="Sensitivity")
        axes.plot([0, 1], [0, 1], color=ink.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.text(0.66, 0.62, "chance", color=ink.SOFT, fontsize=8.5, ha="left", va="top")
        draw_curve(axes, curve)
        mark(axes, point)
        titles(axes, "AUROC", area, point)
        return ink.to_svg(figure, "roc", _curve_alt("ROC curve", area, point))


def precision_recall(
    curve: Curve, area: Estimate | None, point: MarkedPoint | None, *, prevalence: float
) -> Markup:
    """Draw precision (PPV) over recall (sensitivity) with its band and the share of fractures."""
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        ink.unit_axes(axes, x="Recall (sensitivity)", y="Precision (PPV)")
        axes.axhline(prevalence, color=ink.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        above = prevalence < 0.9
        axes.text(
            0.005,
            prevalence + (0.015 if above else -0.015),
            f"chance: share of fractures {prevalence:.2f}",
            color=ink.SOFT,
            fontsize=8.5,
            va="bottom" if above else "top",
        )
        draw_curve(axes, curve)
        mark(axes, point)
        titles(axes, "Average precision", area, point)
        return ink.to_svg(figure, "pr", _curve_alt("Precision-recall curve", area, point))


def rocs(curves: Mapping[str, Curve]) -> Markup:
    """Draw the ROC curves of several models over each other, without bands."""
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        ink.unit_axes(axes, x="1 − specificity", y="Sensitivity")
        axes.plot([0, 1], [0, 1], color=ink.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        for place, (name, curve) in enumerate(curves.items()):
            axes.plot(curve.x, curve.y, linewidth=1.3, label=name, **look_of(place))
        axes.legend(loc="lower right", frameon=False, fontsize=8.5)
        return ink.to_svg(figure, "rocs", f"ROC curves of {', '.join(curves)}.")


def look_of(place: int) -> dict[str, Any]:
    """Return the color and dashes of the curve of one of several models."""
    return {
        "color": _COLORS[place % len(_COLORS)],
        "linestyle": _DASHES[place // len(_COLORS) % len(_DASHES)],
    }


def draw_curve(axes: Axes, curve: Curve) -> None:
    """Draw a curve with its band."""
    axes.fill_between(
        curve.x, curve.lower, curve.upper, color=ink.NO_FRACTURE, alpha=0.16, linewidth=0
    )
    axes.plot(curve.x, curve.y, color=ink.NO_FRACTURE)


def mark(axes: Axes, point: MarkedPoint | None) -> None:
    """Draw the operating point, where there is one, as a ring with its intervals."""
    if point is None:
        return
    bars: dict[str, Any] = {"color": ink.INK, "linewidth": 1.0}
    if point.x_interval:
        axes.plot(point.x_interval, [point.y, point.y], **bars)
    if point.y_interval:
        axes.plot([point.x, point.x], point.y_interval, **bars)
    axes.plot(point.x, point.y, "o", ms=6, mfc=ink.PAPER, mec=ink.INK, mew=1.4)


def titles(axes: Axes, name: str, area: Estimate | None, point: MarkedPoint | None) -> None:
    """Write the area left above the axes, and the operating point right."""
    # Above the axes, where no curve of any shape can run through the words.
    if area is not None:
        axes.set_title(f"{name} {number(area.value)}", loc="left", fontsize=9.5, weight="bold")
    if point is not None:
        axes.set_title(f"○ {point.name}", loc="right", fontsize=9.0)


def _curve_alt(name: str, area: Estimate | None, point: MarkedPoint | None) -> str:
    parts = [name]
    if area is not None:
        parts.append(f"area {number(area.value)}, interval {interval(area)}")
    if point is not None:
        parts.append(f"operating point ({point.name}): x {point.x:.3f}, y {point.y:.3f}")
    return "; ".join(parts) + "."
