"""The verb that judges boxes: evaluate boxes."""

from pathlib import Path
from typing import Annotated

import typer

from greenstick.cli.common import AsJson
from greenstick.cli.evidence import Seed, evaluate_app


@evaluate_app.command(
    "boxes",
    epilog="Example: greenstick evaluate boxes --truth coco.json --predictions preds.json -o out",
)
def evaluate_boxes(
    truth: Annotated[Path, typer.Option(help="True boxes: a COCO file, or a cohort.")],
    predictions: Annotated[
        Path, typer.Option(help="COCO results, or a table: image, x, y, width, height, score.")
    ],
    output: Annotated[Path, typer.Option("-o", help="Folder for the report and detection.json.")],
    split: Annotated[str | None, typer.Option(help="The cohort's split to judge.")] = None,
    iou: Annotated[float, typer.Option(help="Overlap from which a box counts as found.")] = 0.5,
    confidence: Annotated[
        float | None, typer.Option(help="A confidence fixed before these images were seen.")
    ] = None,
    valid_predictions: Annotated[
        Path | None, typer.Option(help="Choose the confidence on these boxes instead.")
    ] = None,
    valid_truth: Annotated[
        Path | None, typer.Option(help="Their true boxes; else the cohort's split 'valid'.")
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="How: f1 (the default), false-positives (an image), sensitivity."),
    ] = None,
    target: Annotated[float | None, typer.Option(help="What the last two aim at.")] = None,
    any_class: Annotated[bool, typer.Option(help="Take all classes for one.")] = False,
    drop_faulty: Annotated[
        bool, typer.Option(help="Leave out images with a faulty true box.")
    ] = False,
    skip_unknown: Annotated[
        bool, typer.Option(help="Leave out boxes on images that the truth lacks.")
    ] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Column to judge value by value, e.g. body_part (repeatable)."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, for pictures; else the cohort's.")
    ] = None,
    rows: Annotated[str, typer.Option(help="What these images are called.")] = "test",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Judge the boxes of any detector: mAP, FROC, AFROC, image AUROC, with intervals."""
    from greenstick.evidence.detection import read_boxes, settle_confidence
    from greenstick.experiments.judging_boxes import judge_into
    from greenstick.reports.boxes_terminal import print_detection
    from greenstick.reports.detection_page import write_detection_page

    how = {"drop_faulty": drop_faulty, "skip_unknown": skip_unknown, "any_class": any_class}
    boxes = read_boxes(truth, predictions, split=split, by=by or [], **how)
    valid = None
    if valid_predictions is not None:
        own_split = "valid" if valid_truth is None else None
        valid = read_boxes(
            valid_truth or truth, valid_predictions, split=own_split, by=by or [], **how
        )
    point = settle_confidence(confidence, valid, rule=rule, target=target, iou=iou)
    own_images = None if truth.suffix.lower() == ".json" else truth.parent
    evidence = judge_into(
        output,
        boxes,
        valid,
        rows=rows,
        iou=iou,
        confidence=point,
        images=images or own_images,
        seed=seed,
    )
    page = write_detection_page(output)
    if as_json:
        typer.echo(evidence.model_dump_json(indent=2))
    else:
        print_detection(evidence, page)
