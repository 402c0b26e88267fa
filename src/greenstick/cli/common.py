"""What all verbs share: the application, common options, and how an error ends a command."""

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from typer.core import TyperGroup

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError

app = typer.Typer(
    help=f"Greenstick: bone-fracture AI on radiographs. {RESEARCH_USE}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)


class WithDefault(TyperGroup):
    """A group of verbs whose first one need not be named: 'evaluate x.csv', 'evaluate boxes'."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first verb before words that begin with no verb of the group."""
        if not args or args[0] not in self.commands:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


CohortFile = Annotated[Path, typer.Argument(help="The cohort's Parquet file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Workers = Annotated[int, typer.Option(min=0, help="Threads that decode; 0: one a core.")]
Overwrite = Annotated[bool, typer.Option(help="Write over a finished result.")]
P = ParamSpec("P")


_REMEDIES = {
    errno.ENOSPC: "Free some space, then run the same command to go on.",
    errno.EDQUOT: "Free some space, then run the same command to go on.",
    errno.EACCES: "Choose a place that you may write to.",
    errno.EROFS: "Choose a place that you may write to.",
    errno.ENOTDIR: "Choose another place: there is a file where a folder is wanted.",
    errno.EEXIST: "Choose another place: there is a file where a folder is wanted.",
    errno.EISDIR: "Choose another name: there is a folder where a file is wanted.",
}


def main() -> None:
    """Run the command line; print a user's error once, on one line, with its remedy."""
    # Threads that spin while they wait take the cores from whatever else runs on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except GreenstickError as error:
        _refuse(error.message, error.remedy)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise  # a fault of ours: the traceback is what we need to mend it
        named = error.filename2 or error.filename or "A file"  # the second: what was to be replaced
        _refuse(f"{named}: {error.strerror}.", _REMEDIES[error.errno])


def _refuse(message: str, remedy: str) -> None:
    typer.echo(f"greenstick: {message}\n  {remedy}", err=True)
    sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"greenstick {__version__}. {RESEARCH_USE}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    pass


def resumable(verb: Callable[P, None]) -> Callable[P, None]:
    """Let Ctrl-C end a long verb on one line; what was finished is kept."""
    return _stoppable(verb, "What was finished is kept; run the same command to go on.")


def restartable(verb: Callable[P, None]) -> Callable[P, None]:
    """Let Ctrl-C end a long verb on one line; nothing is kept."""
    return _stoppable(verb, "The same command begins again from the start.")


def _stoppable(verb: Callable[P, None], remedy: str) -> Callable[P, None]:
    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except KeyboardInterrupt:
            raise GreenstickError("Stopped.", remedy=remedy) from None

    return run


def pairs_of(texts: list[str] | None) -> dict[str, str]:
    """Return repeated NAME=VALUE options as a dict."""
    pairs = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs
