"""How results grow with patients, and how a search of settings went."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup

from greenstick.evidence.estimates import Estimate
from greenstick.reports import ink
from greenstick.reports.wording import number


@dataclass(frozen=True)
class GrowthLaw:
    """An inverse power law, limit - gain * n ** -rate, and what it foretells at ``foretold_at``."""

    limit: float
    gain: float
    rate: float
    foretold_at: float
    foretold: float
    lower: float
    upper: float


def growth(
    patients: Sequence[float], areas: Sequence[Estimate], law: GrowthLaw | None, *, name: str
) -> Markup:
    """Draw AUROC over training patients, with the fitted curve and its prediction."""
    with ink.style():
        figure = ink.blank(4.3, 3.3)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        for n, area in zip(patients, areas, strict=True):
            if area.value is None:
                continue
            if area.lower is not None and area.upper is not None:
                axes.plot([n, n], [area.lower, area.upper], color=ink.ACCENT, linewidth=1.0)
            axes.plot(n, area.value, "o", ms=5, color=ink.ACCENT)
        if law is not None:
            x = np.linspace(min(patients), law.foretold_at, 200)
            inside = x <= max(patients)
            y = law.limit - law.gain * x**-law.rate
            axes.plot(x[inside], y[inside], color=ink.INK, linewidth=1.0)
            axes.plot(x[~inside], y[~inside], color=ink.INK, linewidth=1.0, linestyle=(0, (4, 2)))
            at = law.foretold_at
            axes.plot([at, at], [law.lower, law.upper], color=ink.SOFT, linewidth=1.0)
            axes.plot(at, law.foretold, "o", ms=5, mfc=ink.PAPER, mec=ink.SOFT, mew=1.2)
        axes.set(xlabel="Training patients", ylabel="AUROC")
        axes.set_xlim(left=0)
        said = "; ".join(
            f"{n:.0f} patients: {number(area.value)}"
            for n, area in zip(patients, areas, strict=True)
        )
        return ink.to_svg(figure, name, f"Learning curve. {said}.")


def search(trials: pl.DataFrame) -> Markup:
    """Draw each trial's validation AUROC, and the best so far of each fold."""
    keys = [name for name in ("model", "repeat", "fold") if name in trials.columns]
    parts = trials.partition_by(keys, maintain_order=True) if keys else [trials]
    with ink.style():
        figure = ink.blank(4.3, 3.3)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        for part in parts:
            own = part.filter(pl.col("value").is_not_null()).sort("trial")
            done = own.filter(state="done")
            axes.plot(done["trial"], done["value"], "o", ms=4, color=ink.ACCENT)
            pruned = own.filter(pl.col("state") != "done")
            axes.plot(pruned["trial"], pruned["value"], "o", ms=4, mfc=ink.PAPER, mec=ink.SOFT)
            axes.step(done["trial"], done["value"].cum_max(), where="post", color=ink.INK, lw=0.9)
        axes.set(xlabel="Trial", ylabel="Validation AUROC")
        axes.locator_params(axis="x", integer=True)
        states = ", ".join(
            f"{n} {state}" for state, n in trials["state"].value_counts().sort("state").iter_rows()
        )
        return ink.to_svg(figure, "trials", f"{trials.height} trials: {states}.")
