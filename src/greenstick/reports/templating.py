"""Fill a page's template: every page shares one base, one style sheet and one set of parts."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from greenstick import RESEARCH_USE, __version__
from greenstick.files import write_text
from greenstick.reports import wording


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # names of files and columns are the user's, and may hold markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=wording.number,
        estimated=wording.estimated,
        signed=wording.signed,
        percent=wording.percent,
        interval=wording.interval,
        as_name=wording.as_name,
        as_measure=wording.as_measure,
        by_name=wording.by_name,
        p_value=wording.p_value,
    )
    environment.tests["on_unit_axis"] = wording.on_unit_axis
    return environment


def render(template: str, **context: object) -> str:
    """Return a template of ``reports/templates`` filled with ``context``, escaped.

    Every template also sees ``research_use`` and ``version``. Markup made elsewhere (an inline
    SVG) comes in as :class:`markupsafe.Markup`.
    """
    page = _environment().get_template(template)
    return page.render(research_use=RESEARCH_USE, version=__version__, **context)


def write_page(html: str, path: Path) -> Path:
    """Write a page in one step, so that a killed write leaves the old page whole."""
    write_text(html, path)
    return path
