"""Whether acting on the scores does more good than acting on all, or on none."""

from collections.abc import Mapping

from markupsafe import Markup

from greenstick.evidence.estimates import DecisionCurve
from greenstick.reports import ink
from greenstick.reports.figures.curves import look_of


def net_benefit(curve: DecisionCurve, share: float) -> Markup:
    """Draw net benefit over the threshold at which somebody would act.

    Parameters
    ----------
    curve
        Of the model, and of acting on every image.
    share
        Share of fractures: the most that can be gained.
    """
    with ink.style():
        figure = ink.blank(4.3, 3.4)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        x = curve.thresholds
        if curve.lower:
            axes.fill_between(
                x, curve.lower, curve.upper, color=ink.NO_FRACTURE, alpha=0.16, linewidth=0
            )
        axes.axhline(0.0, color=ink.SOFT, linewidth=1.0)
        axes.plot(x, curve.treat_all, color=ink.SOFT, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.plot(x, curve.model, color=ink.NO_FRACTURE)
        bottom = min(-0.12 * share, 1.1 * min(curve.model))
        axes.set(xlim=(0.0, max(x)), ylim=(bottom, 1.12 * share))
        axes.set(xlabel="Threshold probability", ylabel="Net benefit, fractures per image")
        named = (("model", ink.NO_FRACTURE, 0.0), ("act on all", ink.SOFT, 0.2))
        for text, color, place in (*named, ("act on none: 0", ink.SOFT, 0.48)):
            axes.text(place, 1.03, text, color=color, weight="bold", transform=axes.transAxes)
        best = [t for t, m, a in zip(x, curve.model, curve.treat_all, strict=True) if m > max(a, 0)]
        where = f"from {min(best):.2f} to {max(best):.2f}" if best else "nowhere"
        alt = f"Decision curve: the model is above both others {where} among these thresholds."
        return ink.to_svg(figure, "net-benefit", alt)


def net_benefits(curves: Mapping[str, DecisionCurve], share: float) -> Markup:
    """Draw the net benefit of several models over each other, without bands."""
    with ink.style():
        figure = ink.blank(4.3, 4.2)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        axes.axhline(0.0, color=ink.SOFT, linewidth=1.0)
        everybody = next(iter(curves.values()))
        x = everybody.thresholds
        axes.plot(x, everybody.treat_all, color=ink.SOFT, linewidth=1.0, linestyle=(0, (4, 2)))
        for place, (name, curve) in enumerate(curves.items()):
            axes.plot(x, curve.model, linewidth=1.3, label=name, **look_of(place))
        lowest = min(min(curve.model) for curve in curves.values())
        axes.set(xlim=(0.0, max(x)), ylim=(min(-0.12 * share, 1.1 * lowest), 1.12 * share))
        axes.set(xlabel="Threshold probability", ylabel="Net benefit, fractures per image")
        for text, where in (("- - act on all", 0.0), ("— act on none: 0", 0.36)):
            axes.text(where, 1.03, text, color=ink.SOFT, transform=axes.transAxes)
        axes.legend(loc="upper right", frameon=False, fontsize=8.5)
        return ink.to_svg(figure, "net-benefits", f"Decision curves of {', '.join(curves)}.")
