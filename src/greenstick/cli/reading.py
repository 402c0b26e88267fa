"""Verbs that read new radiographs: read."""

from pathlib import Path
from typing import Annotated

import typer

from greenstick.cli.common import AsJson, app, resumable


@app.command(epilog="Example: greenstick read scans/ --model runs/x -o readings")
@resumable
def read(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to read.")],
    model: Annotated[Path, typer.Option(help="A run folder, or one of its models.")],
    output: Annotated[Path, typer.Option("-o", help="Folder for the results.")] = Path("readings"),
    overlays: Annotated[bool, typer.Option(help="Draw each radiograph with its heat map.")] = True,
    dicom: Annotated[
        str, typer.Option(help="Write DICOM results: sr, sc, pr with commas, or all.")
    ] = "",
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0: all cores.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Read radiographs: probability, decision, heat map, or the reason why one was not read."""
    from greenstick.experiments.bars import bar
    from greenstick.reading.archive import read_paths
    from greenstick.reading.dicom_results.kinds import parse_kinds
    from greenstick.reports.terminal import print_readings, status

    with bar(status, "Reading") as progress:
        readings = read_paths(
            paths,
            model,
            output,
            overlays=overlays,
            dicom=parse_kinds(dicom),
            threads=threads,
            progress=progress,
        )
    if as_json:
        typer.echo((output / "readings.json").read_text())
    else:
        print_readings(readings, output)
