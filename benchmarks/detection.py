"""Judging boxes, and finding them: what each step takes, with a baseline in the same run.

First the intervals: 2,000 replicates by patient of every average precision and of FROC, matched
once and weighed, against faster-coco-eval run anew on each sample of patients (timed over a few and
scaled up). Then a detector, one image at a time from file to merged boxes: decoding, the network
by PyTorch and by OpenVINO, merging. Run with ``python benchmarks/detection.py``; ``--model`` takes
a detector of yours.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from greenstick.evidence.bootstrap import resample
from greenstick.evidence.detection import BoxRows, PredictedBoxes, TrueBoxes
from greenstick.evidence.detection.average_precision import coco_precisions, weighed_precisions
from greenstick.evidence.detection.froc import weighed_froc
from greenstick.models.detector import Detector, build_detector
from greenstick.models.detector_checkpoint import load_detector, save_detector
from greenstick.models.detector_settings import DetectorCard, DetectorSettings
from greenstick.models.merging import merge
from greenstick.openvino_core import openvino_core
from greenstick.radiographs.canvas import as_images, fit
from greenstick.radiographs.opening import open_radiograph

FRACATLAS = Path(__file__).resolve().parents[2] / "shared" / "data" / "fracatlas" / "images"


def drawn(images: int, boxes: int) -> BoxRows:
    """Draw images with one true box each, found in three of four, and many false boxes."""
    rng = np.random.default_rng(0)
    true = np.column_stack([rng.uniform(0, 900, (images, 2)), rng.uniform(15, 150, (images, 2))])
    hit = np.flatnonzero(rng.random(images) < 0.75)
    wrong = images * (boxes - 1)
    false = np.column_stack([rng.uniform(0, 900, (wrong, 2)), rng.uniform(15, 150, (wrong, 2))])
    found = np.concatenate([true[hit] + rng.normal(0, 5, (len(hit), 4)), false])
    return BoxRows(
        tuple(map(str, range(images))),
        np.arange(images),
        ("fracture",),
        TrueBoxes(
            np.arange(images),
            np.zeros(images, np.int64),
            true,
            true[:, 2] * true[:, 3],
            np.zeros(images, np.bool_),
        ),
        PredictedBoxes(
            np.concatenate([hit, rng.integers(0, images, wrong)]),
            np.zeros(len(found), np.int64),
            found,
            np.concatenate([rng.beta(4, 2, len(hit)), rng.beta(1, 5, wrong)]),
        ),
    )


def weighed(rows: BoxRows, replicates: int) -> None:
    """Match once, and weigh patients."""
    precisions, froc = weighed_precisions(rows), weighed_froc(rows, 0.5)
    resample(
        lambda weights: precisions(weights).named(rows.classes) | froc(weights),
        patients=rows.n_patients,
        rows=len(rows.predictions),
        replicates=replicates,
        seed=0,
    )


def anew(rows: BoxRows, replicates: int) -> None:
    """Draw images, gather their boxes, and let the library match them each time."""
    rng = np.random.default_rng(0)
    for _ in range(replicates):
        chosen = rng.integers(0, len(rows), len(rows))
        coco_precisions(
            replace(
                rows,
                truth=_gathered(rows.truth, chosen),
                predictions=_gathered(rows.predictions, chosen),
            )
        )


def _gathered(boxes, chosen):
    order = np.argsort(boxes.images, kind="stable")
    starts = np.searchsorted(boxes.images[order], chosen)
    stops = np.searchsorted(boxes.images[order], chosen, side="right")
    which = np.concatenate([order[a:b] for a, b in zip(starts, stops, strict=True)])
    place = np.repeat(np.arange(len(chosen)), stops - starts)
    return replace(boxes.take(which), images=place)


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def judge(replicates: int, loop: int) -> None:
    """Print the times of intervals."""
    print(f"{replicates} replicates of average precision (10 IoU, 4 areas) and FROC, in seconds")
    print("images   boxes    ours   library in a loop")
    for images, boxes in ((100, 20), (1000, 20)):
        rows = drawn(images, boxes)
        ours = seconds(lambda rows=rows: weighed(rows, replicates))
        theirs = seconds(lambda rows=rows: anew(rows, loop)) / loop * replicates
        count = len(rows.predictions)
        print(f"{images:6} {count:7} {ours:7.1f} {theirs:10.0f} ({theirs / ours:.0f}x)")


def find(model: Detector, card: DetectorCard, folder: Path, paths: list[Path]) -> None:
    """Print the processor time from file to boxes, one image at a time, on one thread."""
    torch.set_num_threads(1)
    options = {"INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    network = openvino_core().read_model(folder / "model.onnx")
    network.reshape([1, 1, card.canvas_px, card.canvas_px])
    compiled = openvino_core().compile_model(network, "CPU", options)
    model = model.eval().to(memory_format=torch.channels_last)
    times: dict[str, list[float]] = defaultdict(list)
    worst = 0.0
    for path in paths:
        begin = time.process_time()
        canvas, _ = fit(open_radiograph(path), card.canvas_px)
        images = as_images(canvas[None])
        times["decode and fit"].append(time.process_time() - begin)
        begin = time.process_time()
        with torch.inference_mode():
            expected = model(torch.from_numpy(images))
        times["PyTorch"].append(time.process_time() - begin)
        begin = time.process_time()
        found = compiled({"images": images})
        boxes, logits = found["boxes"][0], found["logits"][0]
        times["OpenVINO"].append(time.process_time() - begin)
        begin = time.process_time()
        merge(boxes, 1 / (1 + np.exp(-logits)), iou=card.merge_iou)
        times["merge"].append(time.process_time() - begin)
        worst = max(worst, float(np.abs(boxes - expected.boxes[0].numpy()).max()))
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    each = {name: 1000 * statistics.median(values) for name, values in times.items()}
    shown = ", ".join(f"{name} {value:.1f}" for name, value in each.items())
    whole = each["decode and fit"] + each["OpenVINO"] + each["merge"]
    print(f"{card.detector.backbone}, {parameters:.1f} M parameters, {card.canvas_px} px: {shown}")
    print(f"  file to boxes {whole:.1f} ms (median of {len(paths)}); largest gap {worst:.3f} px")


def pictures(folder: Path, n: int) -> list[Path]:
    """Return real radiographs where they are, else noise of their size."""
    if FRACATLAS.is_dir():
        return sorted(FRACATLAS.glob("*.jpg"))[1000 : 1000 + n]
    rng = np.random.default_rng(0)
    for number in range(n):
        pixels = rng.integers(0, 255, (1024, 820), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return sorted(folder.glob("*.png"))


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--loop", type=int, default=5, help="replicates of the baseline")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size", type=int, default=416, help="side of the canvas")
    parser.add_argument("--backbone", action="append", help="a detector's; may be repeated")
    parser.add_argument("--model", type=Path, help="a detector's folder")
    given = parser.parse_args()
    if given.replicates:
        judge(given.replicates, given.loop)
    print("\nmilliseconds of processor time an image, one at a time, one thread")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = pictures(folder, given.images)
        if given.model:
            find(*load_detector(given.model), given.model, paths)
            return
        for backbone in given.backbone or ("yolox_nano", "mobilenetv2_100"):
            model = build_detector(DetectorSettings(backbone=backbone, weights="none"))
            card = DetectorCard(name=backbone, detector=model.settings, canvas_px=given.size)
            find(model, card, save_detector(folder / backbone, model, card), paths)


if __name__ == "__main__":
    main()
