"""Numbers and sentences as a report says them."""

from collections.abc import Iterable

from greenstick.evidence.estimates import Estimate, Subgroup

#: Measures whose range goes beyond 1, wherever this estimate of them lies.
_UNBOUNDED = {"LR+", "LR-", "log loss", "calibration slope", "calibration intercept"}


def find(estimates: Iterable[Estimate], name: str) -> Estimate | None:
    """Return the estimate of that name, whatever its case, where it has a value."""
    for one in estimates:
        if one.name.lower() == name.lower() and one.value is not None:
            return one
    return None


def number(value: float | None) -> str:
    """Return a number with three digits that matter; a dash for none."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def signed(value: float | None) -> str:
    """Return a number with its sign; nought has none."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 and text != "0.000" else text


def estimated(estimate: Estimate) -> str:
    """Return the value of an estimate; a dash for none."""
    return "∞" if estimate.infinite else number(estimate.value)


def interval(estimate: Estimate) -> str:
    """Return an interval as '0.91 to 0.95'; an open side is said."""
    if estimate.lower is None and estimate.upper is None:
        return "–"
    if estimate.upper is None:
        return f"above {number(estimate.lower)}"
    if estimate.lower is None:
        return f"below {number(estimate.upper)}"
    return f"{number(estimate.lower)} to {number(estimate.upper)}"


def percent(share: float | None) -> str:
    """Return a share as a percentage with one decimal."""
    return "–" if share is None else f"{100 * share:.1f}%"


def p_value(p: float | None) -> str:
    """Return a p value as '= 0.034' or '< 0.001'."""
    if p is None:
        return "not determined"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def level(estimate: Estimate) -> str:
    """Return the nominal coverage, e.g. '95%'."""
    return f"{100 * estimate.level:g}%"


def count(n: int, noun: str) -> str:
    """Return '1 image', '3,670 images'."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def as_name(text: str) -> str:
    """Return the name of a measure or a column as a heading says it."""
    words = text.replace("_", " ")
    return (words[:1].upper() + words[1:]).replace("LR-", "LR−")


def as_measure(text: str) -> str:
    """Return the name of a detector's measure as a heading says it: mAP keeps its letters."""
    return text if text.startswith("mAP") else as_name(text)


def on_unit_axis(estimate: Estimate) -> bool:
    """Tell whether an estimate and its interval can be drawn between 0 and 1."""
    if estimate.value is None or estimate.lower is None or estimate.upper is None:
        return False
    return estimate.name not in _UNBOUNDED and estimate.lower >= 0 and estimate.upper <= 1


def by_name(group: Subgroup) -> dict[str, Estimate]:
    """Return a subgroup's estimates by their names."""
    return {one.name: one for one in group.estimates}
