"""Where the scores lie, and how true they are as probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from greenstick.evidence.estimates import ReliabilityBin
from greenstick.reports import ink
from greenstick.reports.wording import number

_BINS = 40


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
