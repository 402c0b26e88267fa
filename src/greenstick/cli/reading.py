"""Verbs that read new radiographs: read, export."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from greenstick.cli.common import AsJson, app, resumable

if TYPE_CHECKING:
    from greenstick.reading.options import ReaderOptions

Device = Literal["cpu", "onnx", "cuda"]


@app.command(epilog="Example: greenstick read scans/ --model runs/x -o readings")
@resumable
def read(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, a DICOMDIR.")],
    model: Annotated[
        Path, typer.Option(help="A run folder, one of its models, or a detector that answers.")
    ],
    boxes_from: Annotated[
        Path | None, typer.Option(help="A detector's folder: show its boxes.")
    ] = None,
    region_from: Annotated[
        str | None,
        typer.Option(help="A detector's folder: where to look; or 'image': they are cut to it."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="Folder for the results; or a .parquet table, for archives of any size.",
        ),
    ] = Path("readings"),
    overlays: Annotated[bool, typer.Option(help="Draw each radiograph with its heat map.")] = True,
    dicom: Annotated[
        str, typer.Option(help="Write DICOM results: sr, sc, pr with commas, or all.")
    ] = "",
    accept_modality: Annotated[
        list[str] | None,
        typer.Option(help="Read this modality too (RF, XA, MG, IO, PX); may be repeated."),
    ] = None,
    ray: Annotated[
        str, typer.Option(help="Ray cluster that reads into a table: local, auto or an address.")
    ] = "",
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0: all cores.")] = 0,
    device: Annotated[
        Device, typer.Option(help="Where the network runs; onnx: the CPU, by ONNX Runtime.")
    ] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Read radiographs: probability, decision, heat map, or the reason why one was not read."""
    chosen: ReaderOptions = {
        "threads": threads,
        "accept": accept_modality or (),
        "boxes_from": boxes_from,
        "region_from": region_from,
        "device": device,
    }
    if output.suffix == ".parquet":
        if dicom:
            raise typer.BadParameter("DICOM results need a folder: give -o FOLDER.")
        if ray and device != "cpu":
            raise typer.BadParameter("Ray's machines read on their processors: leave --device out.")
        _read_archive(paths, model, output, ray, chosen, as_json)
        return
    if ray:
        raise typer.BadParameter("Ray reads into a table: give -o results.parquet.")
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
            progress=progress,
            **chosen,
        )
    if as_json:
        typer.echo((output / "readings.json").read_text())
    else:
        print_readings(readings, output)


def _read_archive(
    paths: list[Path],
    model: Path,
    table: Path,
    ray: str,
    chosen: "ReaderOptions",
    as_json: bool,
) -> None:
    from greenstick.experiments.bars import bar
    from greenstick.reading.table import read_archive
    from greenstick.reports.readings import print_archive
    from greenstick.reports.terminal import status

    with bar(status, "Reading") as progress:
        summary = read_archive(paths, model, table, ray=ray, progress=progress, **chosen)
    if as_json:
        typer.echo(json.dumps(asdict(summary), default=str, indent=2))
    else:
        print_archive(summary)


@app.command(epilog="Example: greenstick export runs/x --to openvino -o exported")
def export(
    model: Annotated[
        Path, typer.Argument(help="A run folder, one of its models, or a detector's folder.")
    ],
    to: Annotated[
        str, typer.Option(help="onnx, openvino, openvino-bf16, openvino-int8 or torchscript.")
    ] = "onnx",
    output: Annotated[Path, typer.Option("-o", help="Folder for the network and its card.")] = Path(
        "exported"
    ),
    images: Annotated[
        Path | None, typer.Option(help="Radiographs to check on; default: the run's cohort.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a model for other programs, and check it on real images."""
    from greenstick.experiments.exporting import export_model
    from greenstick.reports.readings import print_export

    exported = export_model(model, to, output, images=images)
    if as_json:
        typer.echo(json.dumps(asdict(exported), default=str, indent=2))
    else:
        print_export(exported)
