"""The course of training."""

from collections.abc import Sequence

import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes

from greenstick.reports import ink
from greenstick.reports.judged import kept_epoch


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
            _kept_epochs(axes, fits)
        axes.set(xlabel="Epoch", ylabel=name)
        axes.locator_params(axis="x", integer=True)
        axes.margins(x=0.03)
        alt = f"{name} over {history['epoch'].n_unique()} epochs of {len(fits)} fits."
        return ink.to_svg(figure, f"training-{quantity}", alt)


def restoring(history: pl.DataFrame, *, name: str) -> Markup:
    """Draw the error of a restorer over its steps, beside that of a smooth filling.

    ``name`` tells it from others on the page.
    """
    steps = history["step"]
    with ink.style():
        figure = ink.blank(4.3, 3.0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        smooth = history["smooth_error"]
        axes.plot(steps, smooth, color=ink.SOFT, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.plot(steps, history["error"], color=ink.ACCENT, marker="o", markersize=3.0)
        for x, words, color in ((0.0, "restored", ink.ACCENT), (0.25, "smooth", ink.SOFT)):
            axes.text(x, 1.03, words, color=color, weight="bold", transform=axes.transAxes)
        axes.set(xlabel="Step", ylabel="Error in the holes")
        axes.set_ylim(bottom=0.0)
        axes.locator_params(axis="x", integer=True, nbins=6)
        alt = f"Error of restored holes over {steps[-1]} steps, and of holes filled smoothly."
        return ink.to_svg(figure, f"restoring-{name}", alt)


def _kept_epochs(axes: Axes, fits: Sequence[pl.DataFrame]) -> None:
    for fit in fits:
        kept = kept_epoch(fit)
        axes.plot(
            kept["epoch"], kept["valid_auroc"], "o", ms=5, mfc=ink.PAPER, mec=ink.ACCENT, mew=1.3
        )
