"""Readers as points beside a model's ROC curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from greenstick.evidence.estimates import Curve
from greenstick.reports import ink

_MARKS = ("o", "s", "^", "D", "v", "P")
_COLORS = (ink.FRACTURE, ink.ACCENT, ink.SOFT, ink.INK)


@dataclass(frozen=True)
class ReaderPoint:
    """One reader's 1 - specificity and sensitivity under one modality."""

    reader: str
    modality: str
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class ModelCurve:
    """A model's ROC curve, and its operating point where it has one."""

    name: str
    curve: Curve
    point: tuple[float, float] | None


def reader_plane(
    points: Sequence[ReaderPoint],
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    modalities: Sequence[str],
    model: ModelCurve | None,
) -> Markup:
    """Draw readers' points, their curves where they rated on a scale, and the model's curve.

    A line joins the points of one reader under several modalities.
    """
    with ink.style():
        figure = ink.blank(5.2, 5.0)
        axes = figure.add_subplot()
        ink.unit_axes(axes, x="1 − specificity", y="Sensitivity")
        axes.plot([0, 1], [0, 1], color=ink.SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        if model is not None and model.curve.x:
            band = model.curve
            axes.fill_between(
                band.x, band.lower, band.upper, color=ink.NO_FRACTURE, alpha=0.16, linewidth=0
            )
            axes.plot(band.x, band.y, color=ink.NO_FRACTURE, label=model.name)
        if model is not None and model.point is not None:
            axes.plot(*model.point, "o", ms=7, mfc=ink.PAPER, mec=ink.NO_FRACTURE, mew=1.6)
        for steps in curves.values():
            x, y = zip((0.0, 0.0), *steps, (1.0, 1.0), strict=True)
            axes.plot(x, y, color=ink.SOFT, linewidth=0.7, alpha=0.7)
        for reader in dict.fromkeys(point.reader for point in points):
            own = [point for point in points if point.reader == reader]
            axes.plot([p.x for p in own], [p.y for p in own], color=ink.SOFT, linewidth=0.8)
        for place, modality in enumerate(modalities):
            own = [point for point in points if point.modality == modality]
            look: dict[str, Any] = {
                "marker": _MARKS[place % len(_MARKS)],
                "color": _COLORS[place % len(_COLORS)],
            }
            if own:
                axes.plot(
                    [p.x for p in own], [p.y for p in own], ls="", ms=6, label=modality, **look
                )
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower right", frameon=False, fontsize=9)
        said = "; ".join(
            f"{p.reader}, {p.modality}: sensitivity {p.y:.3f}, specificity {1 - p.x:.3f}"
            for p in points
        )
        return ink.to_svg(figure, "readers", f"Readers on the ROC plane. {said}.")
