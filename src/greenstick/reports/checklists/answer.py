"""What a run says of an item, and in which of its files it stands."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from greenstick.reports.contents import RunContents


@dataclass(frozen=True)
class Answer:
    """Text of an answered item, and the names of the run's files that it was taken from."""

    text: str
    files: tuple[str, ...]


#: Takes a run and answers an item; None where the run's files do not say.
Answering = Callable[[RunContents], Answer | None]


def section(contents: RunContents, name: str) -> dict[str, Any]:
    """Return a section of the experiment file; empty where there is none."""
    if contents.settings is None:
        return {}
    found = tomllib.loads(contents.settings).get(name, {})
    return found if isinstance(found, dict) else {}


def from_settings(contents: RunContents, name: str, text: str) -> Answer | None:
    """Fill a text from a section of the experiment file; None where a setting is missing."""
    try:
        return Answer(text.format(**section(contents, name)), ("experiment.toml",))
    except KeyError:
        return None
