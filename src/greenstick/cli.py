"""The command line: one short function a verb, no logic.

Heavy modules are imported inside the verbs, so that ``greenstick --help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError

app = typer.Typer(
    help=f"Greenstick: bone-fracture AI on radiographs. {RESEARCH_USE}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
cohort_app = typer.Typer(help="Import, audit, split and show cohorts.", no_args_is_help=True)
experiment_app = typer.Typer(help="Make and run experiments.", no_args_is_help=True)
app.add_typer(cohort_app, name="cohort")
app.add_typer(experiment_app, name="experiment")

CohortFile = Annotated[Path, typer.Argument(help="The cohort's Parquet file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that decode; 0: one a core.")]
Overwrite = Annotated[bool, typer.Option(help="Write over a finished result.")]


def main() -> None:
    """Run the command line; print a user's error once, on one line, with its remedy."""
    try:
        app()
    except GreenstickError as error:
        _refuse(error.message, error.remedy)
    except OSError as error:
        _refuse(
            f"{error.strerror or error}: {error.filename or 'no file named'}.",
            "Free some space or choose another folder, then run the same command again.",
        )
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        sys.exit(130)


def _refuse(message: str, remedy: str) -> None:
    print(f"greenstick: {message}\n  {remedy}", file=sys.stderr)
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
