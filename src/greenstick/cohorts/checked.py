"""Settings from the command line, whose faults a user must understand."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from greenstick.errors import GreenstickError

Settings = TypeVar("Settings", bound=BaseModel)


def checked(
    settings: type[Settings], what: str, help_command: str, values: Mapping[str, Any]
) -> Settings:
    """Return settings of the values given; those that are None keep their default.

    Raises
    ------
    GreenstickError
        Where a value does not fit, naming the setting.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return settings(**given)
    except ValidationError as error:
        name, fault = first_fault(error)
        where = f"{what} setting {name!r}" if name else f"{what} settings"
        raise GreenstickError(f"{where}: {fault}.", remedy=f"See '{help_command}'.") from None


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Return which setting is wrong, empty where it is several together, and what is wrong."""
    # Of a setting that may be of several kinds each kind has its say: ours knows what was meant.
    first = min(error.errors(), key=lambda each: each["type"] != "value_error")
    parts = [str(part) for part in first["loc"] if "[" not in str(part)]  # a kind: 'tuple[...]'
    if first["type"] == "extra_forbidden":
        return ".".join(parts), "there is no such setting"
    return ".".join(parts), first["msg"].removeprefix("Value error, ")
