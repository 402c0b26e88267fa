"""The operating point that ``evaluate`` is told, or told to choose."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from greenstick.cli.common import pairs_of

if TYPE_CHECKING:
    import polars as pl

    from greenstick.decision.operating_points import OperatingPoint

Rule = Literal["youden", "f1", "closest", "sensitivity", "specificity", "cost"]


def operating_point(
    threshold: float | None,
    choose_on: str | None,
    rule: Rule,
    target: float | None,
    *,
    whole: "pl.DataFrame",
    where: dict[str, str],
    read: Callable[[str], "pl.DataFrame"],
    ready: Callable[["pl.DataFrame"], "pl.DataFrame"],
) -> "OperatingPoint | None":
    """Return the stated threshold, or the one chosen on other rows; None without either.

    Parameters
    ----------
    threshold, choose_on, rule, target
        The options; ``choose_on`` is a file, or COLUMN=VALUE of the table that is judged.
    whole, where
        That table before rows of it were left out, and which rows were kept; of those that the
        threshold is chosen on all but the column of ``choose_on`` must hold too.
    read, ready
        Read another table; bring a table into the form that is judged.
    """
    from greenstick.decision.operating_points import choose_operating_point, given_point
    from greenstick.evidence.arguments import one_model
    from greenstick.scores import rows_where

    if threshold is not None and choose_on is not None:
        raise typer.BadParameter("--threshold states it, --choose-on chooses it: give one of them.")
    if choose_on is None and (rule != "youden" or target is not None):
        raise typer.BadParameter("--rule and --target need --choose-on.")
    if threshold is not None:
        return given_point(threshold)
    if choose_on is None:
        return None
    if "=" in choose_on and not Path(choose_on).exists():
        chosen = pairs_of([choose_on])
        rows, name = rows_where(whole, where | chosen), next(iter(chosen.values()))
    else:
        rows, name = read(choose_on), Path(choose_on).stem
    one_model(rows)
    rows = ready(rows)
    return choose_operating_point(
        rows["label"],
        rows["score"],
        rule=rule,
        target=target,
        chosen_on=name,
        images=rows["image"].to_list() if "image" in rows.columns else None,
    )
