"""Which class was taken for which."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.patches import Rectangle

from greenstick.reports import ink


def heat(
    classes: Sequence[str], counts: Sequence[Sequence[int]], *, of_boxes: bool = False
) -> Markup:
    """Draw a confusion matrix; a cell is as dark as its share of the images of its true class.

    Parameters
    ----------
    classes
        Their names.
    counts
        True classes down, answers across.
    of_boxes
        The counts have one row more, of shown boxes where nothing is, and one column more, of
        true boxes that were missed.
    """
    truths = [*classes, "nothing there"] if of_boxes else list(classes)
    answers = [*classes, "missed"] if of_boxes else list(classes)
    table = np.asarray(counts, dtype=np.float64)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = 0.62 * len(truths)
    with ink.style():
        figure = ink.blank(max(4.3, side + 1.8), max(3.4, side + 1.0))
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        for i, row in enumerate(table):
            for j, n in enumerate(row):
                if of_boxes and i == j == len(classes):
                    continue  # no box where nothing is: that cannot be counted
                color = ink.ACCENT if i == j else ink.FRACTURE
                cell = Rectangle((j - 0.5, i - 0.5), 1, 1, color=color, linewidth=0)
                cell.set_alpha(0.75 * shares[i, j])
                axes.add_patch(cell)
                axes.text(j, i, f"{n:,.0f}", ha="center", va="center", fontsize=9)
        places = np.arange(len(truths))
        axes.set_xticks(places, answers, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, truths)
        axes.set(xlabel="Taken for", ylabel="True class")
        axes.set(xlim=(-0.5, len(truths) - 0.5), ylim=(len(truths) - 0.5, -0.5))
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        said = "; ".join(
            f"{name}: {n:,.0f} of {row.sum():,.0f} right"
            for name, n, row in zip(classes, np.diag(table), table, strict=not of_boxes)
        )
        return ink.to_svg(figure, "heat", f"Confusion matrix. {said}.")
