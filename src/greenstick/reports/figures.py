"""The figures of a report: arrays in, inline SVG out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from greenstick.evidence.estimates import Curve, Estimate, ReliabilityBin
from greenstick.reports import ink
from greenstick.reports.wording import interval, number

_BINS = 40


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
        _curve(axes, curve)
        _mark(axes, point)
        _titles(axes, "AUROC", area, point)
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
        _curve(axes, curve)
        _mark(axes, point)
        _titles(axes, "Average precision", area, point)
        return ink.to_svg(figure, "pr", _curve_alt("Precision-recall curve", area, point))


def _curve(axes: Axes, curve: Curve) -> None:
    axes.fill_between(
        curve.x, curve.lower, curve.upper, color=ink.NO_FRACTURE, alpha=0.16, linewidth=0
    )
    axes.plot(curve.x, curve.y, color=ink.NO_FRACTURE)


def _mark(axes: Axes, point: MarkedPoint | None) -> None:
    if point is None:
        return
    bars: dict[str, Any] = {"color": ink.INK, "linewidth": 1.0}
    if point.x_interval:
        axes.plot(point.x_interval, [point.y, point.y], **bars)
    if point.y_interval:
        axes.plot([point.x, point.x], point.y_interval, **bars)
    axes.plot(point.x, point.y, "o", ms=6, mfc=ink.PAPER, mec=ink.INK, mew=1.4)


def _titles(axes: Axes, name: str, area: Estimate | None, point: MarkedPoint | None) -> None:
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


def reliability(
    bins: Sequence[ReliabilityBin], scores: NDArray[np.float64], labels: NDArray[np.bool_]
) -> Markup:
    """Draw observed shares over predicted probabilities, and where the scores lie beneath."""
    filled = [one for one in bins if one.n]
    with ink.style():
        figure = ink.blank(4.3, 5.1)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[4.2, 1])
        ink.unit_axes(top, x="", y="Observed share of fractures")
        top.set_box_aspect(None)  # the two axes share their width instead
        top.plot([0, 1], [0, 1], color=ink.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        x, y = [one.mean_score for one in filled], [one.observed for one in filled]
        limits = [one.lower for one in filled], [one.upper for one in filled]
        top.vlines(x, *limits, color=ink.ACCENT, linewidth=1.0)
        top.plot(x, y, "o-", color=ink.ACCENT, markersize=4.5, linewidth=1.0)
        _all_scores(below, scores, labels)
        below.set_xlabel("Predicted probability of a fracture")
        alt = "Reliability diagram; predicted and observed: " + ", ".join(
            f"{number(one.mean_score)} and {number(one.observed)}" for one in filled
        )
        return ink.to_svg(figure, "reliability", alt + ".")


def _all_scores(axes: Axes, scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> None:
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    with_fracture = np.histogram(scores[labels], edges)[0]
    without = np.histogram(scores[~labels], edges)[0]
    _bars(axes, edges, with_fracture, color=ink.FRACTURE)
    _bars(axes, edges, without, bottom=with_fracture, color=ink.NO_FRACTURE)
    axes.set(ylabel="Images", ylim=(0, 1.06 * max(1, (with_fracture + without).max())))
    axes.patch.set_alpha(0.0)
    axes.locator_params(axis="y", nbins=3, integer=True)


def score_histogram(
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    calls: NDArray[np.bool_] | None,
    thresholds: Sequence[float],
) -> Markup:
    """Draw the scores of each class in a row of its own, with the thresholds through both."""
    probabilities = bool(((scores >= 0) & (scores <= 1)).all())
    low, high = (0.0, 1.0) if probabilities else (float(scores.min()), float(scores.max()))
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    with ink.style():
        figure = ink.blank(4.3, 4.0)
        rows = figure.subplots(2, 1, sharex=True)
        for axes, positive in zip(rows, (True, False), strict=True):
            chosen = labels == positive
            called = None if calls is None else calls[chosen]
            _class_histogram(axes, scores[chosen], called, edges, positive=positive)
            for threshold in thresholds:
                axes.axvline(threshold, color=ink.INK, linewidth=1.0)
        rows[1].set_xlabel("Predicted probability of a fracture" if probabilities else "Score")
        alt = f"Histogram of {len(scores)} scores by class"
        alt += "".join(f", threshold {number(threshold)}" for threshold in thresholds)
        return ink.to_svg(figure, "scores", alt + ".")


def _class_histogram(
    axes: Axes,
    scores: NDArray[np.float64],
    called: NDArray[np.bool_] | None,
    edges: NDArray[np.float64],
    *,
    positive: bool,
) -> None:
    color = ink.FRACTURE if positive else ink.NO_FRACTURE
    title = f"{'Fracture' if positive else 'No fracture'}: {len(scores):,} images"
    wrong = np.zeros(len(scores), dtype=np.bool_) if called is None else called != positive
    rights, wrongs = (np.histogram(scores[rows], edges)[0] for rows in (~wrong, wrong))
    _bars(axes, edges, rights, color=color)
    # Wrong calls are hatched: on paper or to a color-blind eye a paler tone says little.
    look = {"facecolor": "none", "edgecolor": color, "hatch": "/////", "linewidth": 0.7}
    _bars(axes, edges, wrongs, bottom=rights, **look)
    if called is not None:
        words = ("missed", "found") if positive else ("cleared", "false alarms")
        title += f", {(~called).sum():,} {words[0]}, {called.sum():,} {words[1]}"
    axes.set_title(title, loc="left", fontsize=9.0, color=color)
    axes.set_ylim(0, 1.06 * max(1, (rights + wrongs).max()))
    axes.set_ylabel("Images")
    axes.patch.set_alpha(0.0)
    axes.grid(visible=False, axis="x")
    axes.locator_params(axis="y", nbins=4, integer=True)


def _bars(axes: Axes, edges: NDArray[np.float64], counts: NDArray[np.int64], **look: Any) -> None:
    axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", **look)


def training(history: pl.DataFrame, *, quantity: str) -> Markup:
    """Draw ``"loss"`` or ``"auroc"`` over epochs, one line a fit (model, repeat and fold)."""
    shown = {
        "loss": [("train_loss", "training", ink.SOFT), ("valid_loss", "validation", ink.ACCENT)],
        "auroc": [("valid_auroc", "validation", ink.ACCENT)],
    }[quantity]
    keys = [name for name in ("model", "repeat", "fold") if name in history.columns]
    fits = history.partition_by(keys, maintain_order=True) if keys else [history]
    name = "Loss" if quantity == "loss" else "AUROC"
    with ink.style():
        figure = ink.blank(4.3, 3.0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        for place, (column, rows, color) in enumerate(shown):
            for fit in fits:
                width, alpha = (1.6, 1.0) if len(fits) == 1 else (1.0, 0.6)
                values = fit[column].cast(pl.Float64).to_numpy()
                axes.plot(fit["epoch"], values, color=color, linewidth=width, alpha=alpha)
            x = 0.0 if place == 0 else 0.25
            axes.text(x, 1.03, rows, color=color, weight="bold", transform=axes.transAxes)
        if quantity == "auroc":
            _best_epochs(axes, fits)
        axes.set(xlabel="Epoch", ylabel=name)
        axes.locator_params(axis="x", integer=True)
        axes.margins(x=0.03)
        alt = f"{name} over {history['epoch'].n_unique()} epochs of {len(fits)} fits."
        return ink.to_svg(figure, f"training-{quantity}", alt)


def _best_epochs(axes: Axes, fits: Sequence[pl.DataFrame]) -> None:
    for fit in fits:
        known = fit.filter(pl.col("valid_auroc").is_finite())
        best = known.sort("valid_auroc", descending=True, maintain_order=True).head(1)
        axes.plot(
            best["epoch"], best["valid_auroc"], "o", ms=5, mfc=ink.PAPER, mec=ink.ACCENT, mew=1.3
        )
