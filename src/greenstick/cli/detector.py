"""Verbs on detectors: train, find, calibrate, fuse."""

from pathlib import Path
from typing import Annotated

import typer

from greenstick.cli.common import AsJson, CohortFile, Overwrite, app, pairs_of, resumable

detector_app = typer.Typer(help="Train detectors, and find boxes with them.", no_args_is_help=True)
app.add_typer(detector_app, name="detector")


@detector_app.command(
    "train", epilog="Example: greenstick detector train split.parquet -o runs/boxes --set epochs=20"
)
@resumable
def detector_train(
    cohort: CohortFile,
    output: Annotated[Path, typer.Option("-o", help="Folder of the detector.")],
    backbone: Annotated[
        str,
        typer.Option(
            help="A timm backbone, or yolox_nano; with the extra 'yolo' yolov8n, s or m (by "
            "ultralytics, AGPL-3.0); with the extra 'transformers' dfine_n, s or m, or "
            "rtdetr_v2_r18 (Apache-2.0)."
        ),
    ] = "mobilenetv2_100",
    weights: Annotated[
        str,
        typer.Option(help="auto, hub, none, a file, or a folder; docs/detection.md, 'Weights'."),
    ] = "auto",
    classes: Annotated[
        str, typer.Option(help="one, by-box (as the cohort's boxes), or names with commas.")
    ] = "one",
    recipe: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: a setting of the recipe (repeatable)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of training.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Train on the split 'train', stop by 'valid'. A stopped training goes on where it was."""
    from greenstick.cohorts.checked import checked
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.bars import bar, training_bar
    from greenstick.experiments.detecting import (
        box_classes,
        detector_recipe,
        taught,
        train_detector,
    )
    from greenstick.experiments.finding import decode
    from greenstick.models.detector_backends import backend_of, needed_backend
    from greenstick.models.detector_settings import DetectorSettings
    from greenstick.reports.terminal import status

    how, table = detector_recipe(pairs_of(recipe)), taught(read_cohort(cohort))
    wanted = {"backbone": backbone, "weights": weights, "classes": box_classes(table, classes)}
    settings = checked(DetectorSettings, "Detector", "greenstick detector train --help", wanted)
    backend = backend_of(backbone)
    if backend is not None and needed_backend(backbone).note:
        status.print(backend.note)
    with bar(status, "Decoding") as progress:
        decode(table, how.canvas_px, progress)
    with training_bar(status, "Training", figure="AP@0.5") as training:
        result = train_detector(
            table, output, settings, how, seed=seed, overwrite=overwrite, progress=training
        )
    typer.echo(
        f"{output}: AP@0.5 {result.valid_ap:.3f} on validation, epoch {result.kept_epoch + 1}; "
        f"boxes are shown from {result.confidence.threshold:.3g}.\n"
        f"{_alone(result.no_answer)}\n"
        f"Next: greenstick detector find {cohort} --model {output} --split test -o boxes.parquet"
    )


@detector_app.command(
    "find",
    epilog="Example: greenstick detector find split.parquet --model runs/boxes --split test "
    "-o boxes.parquet",
)
@resumable
def detector_find(
    cohort: CohortFile,
    model: Annotated[Path, typer.Option(help="Folder of the detector.")],
    output: Annotated[Path, typer.Option("-o", help="The boxes, as CSV or Parquet.")],
    split: Annotated[str | None, typer.Option(help="Only the images of this split.")] = None,
    tile: Annotated[
        int | None, typer.Option(min=0, help="Look at tiles of this side; 0: all at once.")
    ] = None,
) -> None:
    """Find boxes in a cohort's images; 'greenstick evaluate boxes' judges them."""
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.bars import bar
    from greenstick.experiments.finding import check_boxes_file, find_in_cohort, write_boxes
    from greenstick.reports.terminal import status

    check_boxes_file(output)
    with bar(status, "Finding") as progress:
        table = find_in_cohort(
            model, read_cohort(cohort), split=split, tile_px=tile, progress=progress
        )
    write_boxes(table, output)
    typer.echo(f"{output}: {table.height} boxes on {table['image'].n_unique()} images.")


@detector_app.command(
    "calibrate",
    epilog="Example: greenstick detector calibrate split.parquet --model runs/boxes",
)
@resumable
def detector_calibrate(
    cohort: CohortFile,
    model: Annotated[Path, typer.Option(help="Folder of the detector.")],
    split: Annotated[
        str, typer.Option(help="Images to fit on, with and without a fracture, not trained on.")
    ] = "valid",
) -> None:
    """Let a detector answer by itself: its best box's score becomes a probability."""
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.bars import bar
    from greenstick.experiments.finding import calibrate_detector
    from greenstick.reports.terminal import status

    with bar(status, "Finding") as progress:
        answer = calibrate_detector(read_cohort(cohort), model, split=split, progress=progress)
    point = answer.operating_points[0]
    typer.echo(
        f"{model}: a fracture from a probability of {point.threshold:.3g} on, fitted on "
        f"{answer.n} images of {split!r}, {answer.n_positive} with a fracture.\n"
        f"Next: greenstick read PATH --model {model}"
    )


def _alone(no_answer: str) -> str:
    if not no_answer:
        return "It answers by itself too: greenstick read PATH --model FOLDER."
    return f"It points, and does not answer by itself: {no_answer}"


@detector_app.command(
    "fuse",
    epilog="Example: greenstick detector fuse split.parquet --classifier runs/x "
    "--detector runs/boxes -o runs/fused",
)
@resumable
def detector_fuse(
    cohort: CohortFile,
    classifier: Annotated[Path, typer.Option(help="A run folder, or one of its models.")],
    detector: Annotated[Path, typer.Option(help="Folder of the detector.")],
    output: Annotated[Path, typer.Option("-o", help="Folder that reads by both.")],
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0: all cores.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make one probability of two: fitted on the split 'valid', tried on 'test'."""
    from greenstick.cohorts.cohort import read_cohort
    from greenstick.experiments.bars import bar
    from greenstick.experiments.fusing import FEW, SCORES, fuse_models
    from greenstick.reports.terminal import status

    table = read_cohort(cohort)
    with bar(status, "Reading") as progress:
        made = fuse_models(table, classifier, detector, output, threads=threads, progress=progress)
    if as_json:
        typer.echo((output / "fusion.json").read_text())
        return
    for name, auroc in made.aurocs.items():
        typer.echo(f"{name}: {auroc}")
    if made.unread:
        typer.echo(f"{made.unread} images were not read, and took no part.")
    if made.rarer < FEW:
        typer.echo(
            f"Fitted where only {made.rarer} images are of the rarer label: which score to trust "
            f"more is then mostly chance. {FEW} and more are better."
        )
    typer.echo(
        f"{output}: read with it by 'greenstick read PATH --model {output}'.\n"
        f"Next: greenstick compare {output / SCORES} -o {output}"
    )
