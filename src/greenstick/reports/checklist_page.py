"""The page of reporting checklists, beside the report."""

from pathlib import Path

from greenstick.reports.checklists.items import LISTS, fill, read_checklist
from greenstick.reports.contents import RunContents
from greenstick.reports.templating import render, write_page

NAME = "checklist.html"


def write_checklist(contents: RunContents, path: Path) -> Path:
    """Write CLAIM 2024 and TRIPOD+AI, filled from the run's own files, and return the path."""
    lists = [(name, read_checklist(name)) for name in LISTS]
    filled = [(name, one, fill(one, contents)) for name, one in lists]
    page = render("checklist.html.j2", name=contents.name, lists=filled)
    return write_page(page, path)
