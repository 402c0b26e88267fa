"""An experiment: everything that decides a result, in one TOML file."""

import os
import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, Field, ValidationError
from tomlkit.items import Table

from greenstick import RESEARCH_USE
from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.splits import SplitSettings
from greenstick.errors import GreenstickError
from greenstick.experiments.sections import (
    AuditSection,
    DecisionSection,
    EvidenceSection,
    ModelSection,
    Section,
)
from greenstick.files import write_text
from greenstick.training.recipe import Recipe


class Experiment(Section):
    """Settings of one experiment, as read from its TOML file and as resolved into a run folder."""

    name: str = Field("experiment", description="name shown on the report")
    cohort: str = Field(description="the cohort's Parquet file, relative to this file")
    seed: int = Field(0, ge=0, description="seed of training and of the bootstrap")
    audit: AuditSection = AuditSection()
    split: SplitSettings = SplitSettings()
    model: ModelSection = ModelSection()
    recipe: Recipe = Recipe()
    decision: DecisionSection = DecisionSection()
    evidence: EvidenceSection = EvidenceSection()


def read_experiment(path: Path | str) -> Experiment:
    """Read and check an experiment file; the cohort's path becomes absolute.

    Raises
    ------
    GreenstickError
        Where the file is missing, is not TOML, or holds an unknown or impossible setting.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        raise GreenstickError(
            f"There is no experiment {path}.", remedy="Make one with 'greenstick experiment new'."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GreenstickError(f"{path} is not TOML: {error}.", remedy="Correct the file.") from None
    experiment = check_experiment(values, where=str(path))
    absolute = (path.parent / experiment.cohort).resolve()
    return experiment.model_copy(update={"cohort": str(absolute)})


def check_experiment(values: dict[str, Any], *, where: str) -> Experiment:
    """Turn plain values into an :class:`Experiment`, naming the first setting that is wrong."""
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise GreenstickError(
            f"{where}: setting '{key}': {first['msg']}.",
            remedy="See the comments in a file made by 'greenstick experiment new'.",
        ) from None


def write_experiment(experiment: Experiment, path: Path | str) -> None:
    """Write an experiment as TOML with a comment beside every setting."""
    document = tomlkit.document()
    document.add(tomlkit.comment(f"A Greenstick experiment. {RESEARCH_USE}"))
    document.add(tomlkit.comment("Run it: greenstick experiment run FILE -o runs/NAME"))
    document.add(tomlkit.nl())
    _fill(document, experiment)
    write_text(tomlkit.dumps(document), Path(path))


def _fill(table: tomlkit.TOMLDocument | Table, settings: BaseModel) -> None:
    fields = type(settings).model_fields
    # TOML wants a table's own values before its sub-tables.
    nested = {name for name in fields if isinstance(getattr(settings, name), BaseModel)}
    for name in sorted(fields, key=lambda name: name in nested):
        value = getattr(settings, name)
        if value is None:
            continue
        if name in nested:
            section = tomlkit.table()
            _fill(section, value)
            table.add(name, section)
            continue
        item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
        if fields[name].description:
            item.comment(str(fields[name].description))
        table.add(name, item)


def new_experiment(cohort: Cohort, cohort_file: Path, path: Path, **settings: Any) -> Experiment:
    """Return an experiment with defaults that fit the cohort.

    A cohort that already carries a test split keeps it; any other is split by patient.

    Parameters
    ----------
    cohort, cohort_file
        The cohort and the file that holds it.
    path
        Where the experiment will be written; the cohort's path is kept relative to it.
    settings
        Sections to change, as nested dicts, e.g. ``recipe={"epochs": 3}``.
    """
    relative = os.path.relpath(cohort_file.resolve(), path.parent.resolve())
    values: dict[str, Any] = {"name": path.stem, "cohort": Path(relative).as_posix(), **settings}
    if "test" in cohort.table["split"].drop_nulls().to_list():
        values.setdefault("split", {"method": "column"})
    return check_experiment(values, where="new experiment")
