"""How settings were searched, and how results grow with patients."""

import json
from dataclasses import dataclass

from markupsafe import Markup

from greenstick.reports import figures
from greenstick.reports.contents import LearningCurveFacts, RunContents

_SHOWN = 10  # trials in the table; all of them are in the file


@dataclass(frozen=True)
class Trial:
    """One line of the table of trials."""

    where: str
    trial: int
    settings: str
    value: float | None
    state: str
    seconds: float | None


@dataclass(frozen=True, eq=False)
class Search:
    """The trials of a run: how many, how they went, and the best of them."""

    plot: Markup
    number: int
    seconds: float
    best: list[Trial]


@dataclass(frozen=True, eq=False)
class Growth:
    """A learning curve with its figure."""

    facts: LearningCurveFacts
    plot: Markup


def searched(contents: RunContents) -> Search | None:
    """Return the trials of a run; None where nothing was searched."""
    trials = contents.trials
    if trials is None or trials.is_empty():
        return None
    best = trials.sort("value", descending=True, nulls_last=True, maintain_order=True)
    return Search(
        plot=figures.search(trials),
        number=trials.height,
        seconds=float(trials["seconds"].sum()),
        best=[_trial(row) for row in best.head(_SHOWN).iter_rows(named=True)],
    )


def _trial(row: dict[str, object]) -> Trial:
    keys = [name for name in ("model", "repeat", "fold") if row.get(name) is not None]
    params = json.loads(str(row["params"]))
    value, seconds = row["value"], row["seconds"]
    return Trial(
        where=", ".join(
            f"{row[name]}" if name == "model" else f"{name} {row[name]}" for name in keys
        ),
        trial=int(str(row["trial"])),
        settings=", ".join(f"{name} = {_plain(setting)}" for name, setting in params.items()),
        value=None if value is None else float(str(value)),
        state=str(row["state"]),
        seconds=None if seconds is None else float(str(seconds)),
    )


def _plain(setting: object) -> str:
    return f"{setting:.3g}" if isinstance(setting, float) else str(setting)


def grown(contents: RunContents) -> list[Growth]:
    """Draw each backbone's learning curve."""
    return [_growth(one, place) for place, one in enumerate(contents.learning_curves)]


def _growth(one: LearningCurveFacts, place: int) -> Growth:
    law = one.law
    foretold = None if law is None else figures.GrowthLaw(
        law.limit, law.gain, law.rate, law.patients_at_twice, law.at_twice, law.lower, law.upper
    )  # fmt: skip
    patients = [point.n_patients for point in one.points]
    areas = [point.auroc for point in one.points]
    return Growth(one, figures.growth(patients, areas, foretold, name=f"growth-{place}"))
