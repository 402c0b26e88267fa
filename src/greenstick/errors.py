"""The one exception that a user is meant to read."""


class GreenstickError(Exception):
    """Something the user can mend: what is wrong, and what to do about it.

    Raised where the fault is known and printed once, in ``cli/common.py``, without a traceback.

    Parameters
    ----------
    message
        What is wrong, in the user's words, on one line. Never holds a patient identifier.
    remedy
        What to do next, on one line.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class Stopped(GreenstickError):  # noqa: N818 - a wish of the user, no error
    """The user stopped what was running; what was finished is kept."""
