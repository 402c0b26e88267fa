"""The restorers of a run: how they learned, and what they make of healthy bone."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from markupsafe import Markup

from greenstick.errors import GreenstickError
from greenstick.reports import figures
from greenstick.reports.cases import thumbnail

#: In a run folder: a folder each, with these two files.
RESTORERS, _HISTORY, _PICTURE = "restorers", "history.parquet", "restored.png"
_COLUMNS = ("step", "error", "smooth_error")
#: No more are shown; folds and variants may have one each.
_MOST = 4
_PICTURE_PX = 1024  # its pieces are small: none of their pixels is lost


@dataclass(frozen=True)
class ShownRestorer:
    """One restorer.

    Attributes
    ----------
    name
        Of its folder.
    steps
        How many it was trained for.
    error, smooth_error
        At the end, on pieces held back: of restored holes, and of holes filled smoothly.
    plot
        Both over the steps.
    picture
        Data URI of the sheet of pieces; empty where the file is missing.
    """

    name: str
    steps: int
    error: float
    smooth_error: float
    plot: Markup
    picture: str


def shown_restorers(run: Path) -> list[ShownRestorer]:
    """Read the restorers of a run, four at most; none of a run without.

    Raises
    ------
    GreenstickError
        Where the course of one is damaged.
    """
    paths = sorted((run / RESTORERS).glob(f"*/{_HISTORY}"))
    return [_shown(run, path) for path in paths[:_MOST]]


def _shown(run: Path, path: Path) -> ShownRestorer:
    try:
        history = pl.read_parquet(path).select(_COLUMNS)
        last = history.row(-1, named=True)
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(
            f"{path} is damaged.",
            remedy="Finish the run with 'greenstick experiment run', or start it again.",
        ) from None
    name = path.parent.name
    return ShownRestorer(
        name=name,
        steps=int(last["step"]),
        error=float(last["error"]),
        smooth_error=float(last["smooth_error"]),
        plot=figures.restoring(history, name=name),
        picture=thumbnail(run, _PICTURE, f"{RESTORERS}/{name}", longest_px=_PICTURE_PX),
    )
