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
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        where = f"{what} setting {name!r}" if name else f"{what} settings"
        raise GreenstickError(
            f"{where}: {first['msg'].removeprefix('Value error, ')}.",
            remedy=f"See '{help_command}'.",
        ) from None
