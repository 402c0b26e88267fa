"""The published checklists as data, filled from a run."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from greenstick.reports.checklists import data, making, results
from greenstick.reports.checklists.answer import Answer, Answering
from greenstick.reports.contents import RunContents

#: The lists, in the order of the page.
LISTS = ("claim", "tripod_ai")

ANSWERS: Mapping[str, Answering] = {
    answering.__name__: answering
    for answering in (
        data.apart, data.characteristics, data.cohort, data.crops, data.exclusions, data.flow,
        data.missing, data.partitions, data.preprocessing, data.quality, data.test_size,
        making.calibration, making.code, making.ensemble, making.imbalance,
        making.initialization, making.inputs, making.model, making.output, making.prediction,
        making.protocol, making.selection, making.software, making.specification,
        making.training, results.availability, results.diagnostic, results.explanation,
        results.failures, results.internal, results.limits, results.measures, results.numbers,
        results.performance, results.subgroups, results.uncertainty,
    )
}  # fmt: skip


class Item(BaseModel):
    """One item of a checklist.

    ``answer`` names the one of :data:`ANSWERS` that may answer it; ``rest`` is what stays for the
    author even then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str
    section: str
    asks: str
    answer: str | None = None
    rest: str = ""


class Checklist(BaseModel):
    """A published checklist, in our own words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str
    note: str
    items: list[Item]


@dataclass(frozen=True)
class Filled:
    """An item and what the run says of it; None where it is for the author."""

    item: Item
    answer: Answer | None


@cache
def read_checklist(name: str) -> Checklist:
    """Read one of :data:`LISTS`."""
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return Checklist.model_validate(tomllib.loads(text))


def fill(checklist: Checklist, contents: RunContents) -> list[Filled]:
    """Answer what a run's own files can answer."""
    return [
        Filled(item, None if item.answer is None else ANSWERS[item.answer](contents))
        for item in checklist.items
    ]
