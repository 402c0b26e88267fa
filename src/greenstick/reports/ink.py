"""One hand for every figure: its colors, its type, its thin lines, and how it gets into a page.

Figures are drawn in the light colors of ``templates/style.css`` and then bound to that sheet's
variables, so that the same SVG follows a dark screen and prints light. Text stays text, in the
page's own type: small, sharp, searchable.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#1c2126"
SOFT = "#59626c"
GRID = "#e6e9eb"
PAPER = "#ffffff"
ACCENT = "#2b6049"
FRACTURE = "#b8480a"
NO_FRACTURE = "#0a66a6"

_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    GRID: "--grid",
    PAPER: "--paper",
    ACCENT: "--accent",
    FRACTURE: "--fracture",
    NO_FRACTURE: "--no-fracture",
}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "greenstick",  # the same figure is the same bytes on every run
    "font.size": 9.0,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the layout is the same everywhere
    "axes.labelsize": 9.0,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "hatch.linewidth": 0.7,
    "text.parse_math": False,  # a dollar in a column's name is a dollar
}


@contextmanager
def style() -> Iterator[None]:
    """Draw within the house style, whatever the caller's matplotlib is set to."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def blank(width_in: float = 4.3, height_in: float = 4.0) -> Figure:
    """Return an empty figure without pyplot, hence without global state or a display."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0.0)
    return figure


def unit_axes(axes: Axes, *, x: str, y: str) -> None:
    """Give axes the range 0 to 1 on both sides, a square shape and their labels."""
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xticks=ticks, yticks=ticks, xlabel=x, ylabel=y)
    axes.set_box_aspect(1)
    axes.patch.set_alpha(0.0)


def to_svg(figure: Figure, name: str, alt: str) -> Markup:
    """Return a figure as inline SVG.

    Parameters
    ----------
    figure
        Drawn within :func:`style`, in the colors of this module.
    name
        Unique on the page: it keeps the figure's inner ids apart from those of other figures.
    alt
        What the figure shows, for who cannot see it.
    """
    with StringIO() as buffer:
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # The inner style sheet would reach the whole page; style.css says the same of figures only.
    text = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", text, flags=re.DOTALL)
    text = _bind(text, name)
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None, "matplotlib writes a viewBox"
    opening = f'<svg {view.group()} role="img" aria-label="{escape(alt)}">'
    return Markup(re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1))


def _bind(text: str, name: str) -> str:
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    text = text.replace(" font-family: 'DejaVu Sans';", "")
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r"\n\s+", "\n", text)
    text = re.sub(r"<[^>]*>", _short_numbers, text)  # in tags only: the words keep their digits
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    return text


def _short_numbers(tag: re.Match[str]) -> str:
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group())
