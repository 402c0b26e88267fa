"""What may be given to a judgment, put into order."""

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from greenstick.decision.calibration import Calibration
from greenstick.decision.operating_points import OperatingPoint
from greenstick.decision.provenance import ChosenOn
from greenstick.errors import GreenstickError

C = TypeVar("C", bound=ChosenOn)


def one_model(scores: pl.DataFrame) -> str:
    """Return the name of the one model in a table; refuse several."""
    if "model" not in scores.columns:
        return ""
    models = sorted(map(str, scores["model"].drop_nulls().unique()))
    if len(models) > 1:
        raise GreenstickError(
            f"The table holds the scores of {len(models)} models ({', '.join(models[:5])}).",
            remedy="Judge each in turn: --where model=NAME.",
        )
    return models[0] if models else ""


def check_range(specificities: tuple[float, float] | None) -> None:
    """Refuse specificities that are no range of shares."""
    if specificities is not None and not 0 <= specificities[0] < specificities[1] <= 1:
        raise GreenstickError(
            f"Specificities from {specificities[0]:g} to {specificities[1]:g} are no range.",
            remedy="Give two shares, the smaller first, e.g. 0.8 and 1.0.",
        )


def as_list(given: C | Sequence[C] | None) -> list[C]:
    """Return none, one or several operating points, or the like, as a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, Sequence) else [given]


def calibrations_of(
    given: Calibration | Sequence[Calibration] | None, points: Sequence[OperatingPoint]
) -> list[Calibration]:
    """Return the calibrations: none, one for all rows, or one a fold in the points' order."""
    if given is None:
        return []
    if not isinstance(given, Sequence):
        return [given]
    if len(given) not in (0, 1, len(points)):
        raise GreenstickError(
            f"There are {len(given)} calibrations for {len(points)} operating points.",
            remedy="Give one for all rows, or one a fold in the order of the points.",
        )
    return list(given)
