"""Published protocols, by name: TOML files that say what their paper says, and what it does not."""

import os
from pathlib import Path

import tomlkit
from pydantic import BaseModel, ConfigDict

from greenstick import RESEARCH_USE
from greenstick.cohorts.cohort import Cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.experiment import Experiment, check_experiment
from greenstick.files import write_text

_FOLDER = Path(__file__).parent / "protocols"


class Protocol(BaseModel):
    """A published way to train and test.

    Attributes
    ----------
    name
        What it is asked for by.
    title, reference, url
        Of the paper.
    published
        Its figures.
    differs
        What is otherwise here, and why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    reference: str
    url: str
    published: tuple[str, ...]
    differs: tuple[str, ...]


def protocols() -> list[Protocol]:
    """Return all protocols, by name."""
    return [_about(path.stem) for path in sorted(_FOLDER.glob("*.toml"))]


def write_protocol(
    name: str, cohort: Cohort, cohort_file: Path, path: Path, *, seed: int = 0
) -> Experiment:
    """Write a protocol as an experiment on a cohort; each value keeps its comment.

    A cohort that already carries a test split keeps it, as in any experiment.

    Parameters
    ----------
    name
        Of the protocol.
    cohort, cohort_file
        The cohort and the file that holds it.
    path
        The experiment's TOML file.

    Returns
    -------
    Experiment
        As it will be read; settings that the protocol leaves alone have their defaults.

    Raises
    ------
    GreenstickError
        Where there is no such protocol.
    """
    about, settings = _about(name), _document(name)
    del settings["protocol"]
    document = tomlkit.document()
    for line in _heading(about):
        document.add(tomlkit.comment(line) if line else tomlkit.nl())
    relative = os.path.relpath(cohort_file.resolve(), path.parent.resolve())
    document.update(
        {"name": path.stem, "cohort": Path(relative).as_posix(), "seed": seed, "protocol": name}
    )
    document.add(tomlkit.nl())
    own = "test" in cohort.table["split"].drop_nulls().to_list()
    if own and settings["split"].get("method") != "kfold":  # a cross-validation stays one
        settings["split"] = tomlkit.table()
        settings["split"].add("method", tomlkit.item("column").comment("the cohort brings its own"))
    for key, section in settings.items():
        document.add(key, section)
    experiment = check_experiment(document.unwrap(), where=name)
    write_text(tomlkit.dumps(document), path)
    return experiment


def _heading(about: Protocol) -> list[str]:
    lines = [f"{about.title}.", f"{about.reference} {about.url}".strip()]
    published = [f"  {line}" for line in about.published]
    differs = [f"  {line}" for line in about.differs]
    return [
        *(line for line in lines if line),
        "Published:",
        *published,
        "What differs here:",
        *differs,
        "'assumed' stands beside each value that the paper does not tell.",
        f"Run it: greenstick experiment run FILE -o runs/NAME. {RESEARCH_USE}",
        "",
    ]


def _about(name: str) -> Protocol:
    return Protocol.model_validate({"name": name, **_document(name).unwrap()["protocol"]})


def _document(name: str) -> tomlkit.TOMLDocument:
    path = _FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(each.stem for each in sorted(_FOLDER.glob("*.toml")))
        raise GreenstickError(f"There is no protocol {name!r}.", remedy=f"There are: {known}.")
    return tomlkit.parse(path.read_text(encoding="utf-8"))
