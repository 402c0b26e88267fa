"""An experiment: everything that decides a result, in one TOML file."""

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, Field, ValidationError, model_validator
from tomlkit.items import Table

from greenstick import RESEARCH_USE
from greenstick.cohorts.checked import first_fault
from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.splits import SplitSettings
from greenstick.errors import GreenstickError
from greenstick.experiments.sections import (
    AuditSection,
    DecisionSection,
    EvidenceSection,
    LabelsSection,
    LearningCurveSection,
    ModelSection,
    Range,
    RegionSection,
    SearchSection,
    Section,
    Variant,
    check_variant,
)
from greenstick.files import write_text
from greenstick.models.settings import NAMED_WEIGHTS, ClassifierSettings
from greenstick.training.peer_recipes import PeerRecipes
from greenstick.training.recipe import Recipe
from greenstick.training.restorer_recipe import RestorerRecipe


class Experiment(Section):
    """Settings of one experiment, as read from its TOML file and as resolved into a run folder."""

    name: str = Field("experiment", description="name shown on the report")
    cohort: str = Field(description="the cohort's Parquet file, relative to this file")
    seed: int = Field(0, ge=0, description="seed of training and of the bootstrap")
    protocol: str = Field("", description="the published protocol that it follows, if any")
    audit: AuditSection = AuditSection()
    split: SplitSettings = SplitSettings()
    region: RegionSection = RegionSection()
    model: ModelSection = ModelSection()
    recipe: Recipe = Recipe()
    restoring: RestorerRecipe = RestorerRecipe()
    peers: PeerRecipes = PeerRecipes()
    labels: LabelsSection = LabelsSection()
    decision: DecisionSection = DecisionSection()
    evidence: EvidenceSection = EvidenceSection()
    search: SearchSection = SearchSection()
    learning_curve: LearningCurveSection = LearningCurveSection()
    variants: dict[str, Variant] = Field(
        default_factory=dict,
        description="further networks, each by some other settings, compared with the first",
    )

    @model_validator(mode="after")
    def _space_is_possible(self) -> "Experiment":
        if self.search.space and self.model.peer:
            raise ValueError("what learns from healthy images alone has no epochs to search by")
        for name, values in self.search.space.items():
            each = (values.low, values.high) if isinstance(values, Range) else values
            for value in each:
                with_settings(self, {name: value})
            if isinstance(values, Range):
                self._check_between(name, values)
        return self

    def _check_between(self, name: str, values: Range) -> None:
        try:
            with_settings(self, {name: values.low + (values.high - values.low) / math.e})
        except ValidationError:
            raise ValueError(
                f"{name} does not take every number between two limits: list its values"
            ) from None

    @model_validator(mode="after")
    def _variants_are_possible(self) -> "Experiment":
        if twice := set(self.variants) & set(self.model.names):
            raise ValueError(f"a variant has the name of a backbone: {sorted(twice)[0]}")
        for name, settings in self.variants.items():
            check_variant(name, settings)
            if searched := sorted(set(settings) & set(self.search.space)):
                raise ValueError(f"the variant {name!r} sets {searched[0]}, which is searched")
            with_settings(self, settings)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The networks that are compared: backbones, then variants."""
        return (*self.model.names, *self.variants)

    def variant(self, name: str) -> "Experiment":
        """Return the experiment as one of its networks does it; a backbone's is the same."""
        settings = self.variants.get(name)
        if settings is None:
            return self
        return with_settings(self, settings).model_copy(update={"search": self.search})

    def network(self, name: str) -> ClassifierSettings:
        """Return the settings of one of its networks, of the experiment as that does it."""
        return self.model.classifier(self.model.backbone if name in self.variants else name)


def with_settings(experiment: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """Return an experiment with other values, e.g. ``{"recipe.lr": 1e-4}``, and no search."""
    values = experiment.model_dump(exclude={"search", "variants"})
    for name, value in settings.items():
        *sections, last = name.split(".")
        section = values
        for part in sections:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise ValueError(f"{name} is no setting, since {part} is one")
        section[last] = value
    changed = Experiment.model_validate(values)
    return changed.model_copy(update={"variants": experiment.variants})


def read_experiment(path: Path | str) -> Experiment:
    """Read and check an experiment file; paths of cohort, detector and weights become absolute.

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
    except IsADirectoryError:
        raise GreenstickError(
            f"{path} is a folder.", remedy="Name the experiment's TOML file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GreenstickError(f"{path} is not TOML: {error}.", remedy="Correct the file.") from None
    experiment = check_experiment(values, where=str(path))
    return _with_paths(experiment, path.parent)


def _with_paths(experiment: Experiment, folder: Path) -> Experiment:
    """Return an experiment whose paths start from a folder with absolute ones."""

    def absolute(name: str) -> str:
        return str((folder / name).resolve())

    def weights(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(weights, value))
        return value if value in NAMED_WEIGHTS else absolute(value)

    def settings(values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: weights(v) if k == "model.weights" else v for k, v in values.items()}

    detector, search = experiment.region.detector, experiment.search
    changed: dict[str, Any] = {
        "cohort": absolute(experiment.cohort),
        "region": {"detector": absolute(detector)} if detector else {},
        "model": {"weights": weights(experiment.model.weights)},
        "search": {"space": settings(search.space)},
        "variants": {name: settings(values) for name, values in experiment.variants.items()},
    }
    for name in ("region", "model", "search"):
        changed[name] = getattr(experiment, name).model_copy(update=changed[name])
    return experiment.model_copy(update=changed)


def check_experiment(values: dict[str, Any], *, where: str) -> Experiment:
    """Turn plain values into an :class:`Experiment`, naming the first setting that is wrong."""
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        name, fault = first_fault(error)
        setting = f"setting '{name}': " if name else ""
        raise GreenstickError(
            f"{where}: {setting}{fault}.",
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
    nested = {n for n in fields if isinstance(getattr(settings, n), BaseModel | dict)}
    for name in sorted(fields, key=lambda name: name in nested):
        value = getattr(settings, name)
        if value is None:
            continue
        if name in nested:
            section = tomlkit.table()
            if isinstance(value, BaseModel):
                _fill(section, value)
            else:
                section.update(_plain(value))
            table.add(name, section)
            continue
        item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
        if fields[name].description:
            item.comment(str(fields[name].description))
        table.add(name, item)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a setting of free keys as TOML has it: lists, tables, and tables within a line."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            plain[name] = tomlkit.table()
            plain[name].update(value)
        elif isinstance(value, BaseModel):
            plain[name] = tomlkit.inline_table()
            plain[name].update(value.model_dump())
        else:
            plain[name] = list(value)
    return plain


def new_experiment(cohort: Cohort, cohort_file: Path, path: Path, **settings: Any) -> Experiment:
    """Return an experiment with defaults that fit the cohort.

    A cohort that already carries a test split keeps it; any other is split by patient.

    Parameters
    ----------
    cohort, cohort_file
        The cohort and the file that holds it.
    path
        Where the experiment will be written; paths of cohort and weights are kept relative to it.
    settings
        Sections to change, as nested dicts, e.g. ``recipe={"epochs": 3}``.
    """

    def relative(file: Path) -> str:
        return Path(os.path.relpath(file.resolve(), path.parent.resolve())).as_posix()

    values: dict[str, Any] = {"name": path.stem, "cohort": relative(cohort_file), **settings}
    weights = values.get("model", {}).get("weights", "auto")
    if weights not in NAMED_WEIGHTS:
        values["model"] = {**values["model"], "weights": relative(Path(weights))}
    if "test" in cohort.table["split"].drop_nulls().to_list():
        values.setdefault("split", {"method": "column"})
    return check_experiment(values, where="new experiment")
