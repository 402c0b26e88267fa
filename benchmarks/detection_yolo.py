"""YOLOv8 from file to boxes: ours against ultralytics' predict, with the same weights, in one run.

The network is drawn from a seed, and its scores are spread so that some boxes are sure; the time
of its layers does not depend on what was learned. ``--model`` takes a trained one. Both look at
one image at a time on one thread of the CPU, with the same confidence and merging; ours in float32,
in bfloat16 and, with ``--int8``, in integers, as ``greenstick export`` makes them. Two questions:
does the same canvas give the same boxes, and how much processor time does each take from a file on
(all threads of the process; other jobs of the machine hardly change it)? With ``--own-threads``
each takes as many threads as it does by itself, and time is the clock's: for idle machines.
Run with ``python benchmarks/detection_yolo.py`` (needs ``greenstick[yolo]``, which is AGPL-3.0).
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from detection import pictures
from greenstick.experiments.exporting import export_model
from greenstick.models.card import Precision
from greenstick.models.detector import Detector, build_detector
from greenstick.models.detector_checkpoint import load_detector, save_detector
from greenstick.models.detector_settings import DetectorCard, DetectorSettings
from greenstick.models.finding import on_original
from greenstick.models.merging import Merged, merge
from greenstick.radiographs.canvas import as_images, fit
from greenstick.radiographs.opening import open_radiograph
from greenstick.reading.runtime import Runtime, network_in

#: What predict does unless told otherwise.
CONFIDENCE, IOU, MOST = 0.25, 0.7, 300
#: Of a drawn network's logits: few cells are then sure.
MEAN, SPREAD = -6.0, 2.0


def drawn(
    name: str, size_px: int, folder: Path, paths: list[Path]
) -> tuple[Detector, DetectorCard]:
    """Draw a network that finds some boxes on some images, and save it as a detector."""
    torch.manual_seed(0)
    model = build_detector(DetectorSettings(backbone=name, weights="none")).train()
    canvases = np.stack([fit(open_radiograph(path), size_px)[0] for path in paths[:4]])
    images = torch.from_numpy(as_images(canvases))
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0  # activations of unit size, as after training
    with torch.no_grad():
        model(images)
        logits = model.eval()(images).logits
        spread = SPREAD / float(logits.std())
        for branch in model.head.detect.cv3:
            branch[-1].weight.mul_(spread)
            branch[-1].bias.fill_(MEAN)
    card = DetectorCard(name=name, detector=model.settings, canvas_px=size_px, merge_iou=IOU)
    save_detector(folder, model, card)
    return model, card


def theirs(model: Detector, name: str) -> Any:
    """Return ultralytics' own model with the weights of ours."""
    from ultralytics import YOLO  # by now it is told to send nothing

    yolo = YOLO(f"{name}.yaml", task="detect")
    last = len(model.backbone)
    head = {f"{last}.{key}": value for key, value in model.head.detect.state_dict().items()}
    classes = len(model.settings.classes)
    network = type(yolo.model)(f"{name}.yaml", nc=classes, verbose=False)
    network.model.load_state_dict({**model.backbone.state_dict(), **head})
    network.names = dict(enumerate(model.settings.classes))
    network.args = yolo.model.args
    yolo.model = network.eval()
    return yolo


def predict(yolo: Any, source: str | NDArray[np.uint8], size_px: int) -> Merged:
    """Run ultralytics' predict on a file or a BGR picture."""
    (result,) = yolo.predict(
        source, imgsz=size_px, conf=CONFIDENCE, iou=IOU, max_det=MOST, device="cpu", verbose=False
    )
    boxes = result.boxes
    return Merged(
        boxes.xyxy.numpy().astype(float),
        boxes.conf.numpy().astype(float),
        boxes.cls.numpy().astype(np.int64),
    )


class Ours:
    """From file to boxes as a reader does it; notes what each step takes."""

    def __init__(
        self,
        folder: Path,
        card: DetectorCard,
        threads: int,
        clock: Callable[[], float],
        precision: Precision = "f32",
    ) -> None:
        self.size_px, self.clock = card.canvas_px, clock
        network = network_in(folder)
        self.runtime = Runtime(network, card.canvas_px, threads=threads, precision=precision)
        self.steps: dict[str, list[float]] = defaultdict(list)

    def on_canvas(self, canvas: NDArray[np.uint8]) -> Merged:
        """Find boxes on a canvas, in its pixels."""
        begin = self.clock()
        values = self.runtime.values(as_images(canvas[None]))
        middle = self.clock()
        scores = 1 / (1 + np.exp(-values["logits"][0]))
        found = merge(values["boxes"][0], scores, iou=IOU, most=MOST, least=CONFIDENCE)
        self.steps["network"].append(middle - begin)
        self.steps["merge"].append(self.clock() - middle)
        return found

    def __call__(self, path: Path) -> Merged:
        """Find boxes on a file, in pixels of the original."""
        begin = self.clock()
        canvas, placement = fit(open_radiograph(path), self.size_px)
        self.steps["decode and fit"].append(self.clock() - begin)
        return on_original(self.on_canvas(canvas), placement)


def gap(one: Merged, other: Merged) -> float:
    """Return the largest distance in pixels between sides; infinite where numbers differ."""
    if len(one.scores) != len(other.scores):
        return float("inf")
    if not len(one.scores):
        return 0.0
    apart = np.abs(one.corners[:, None] - other.corners[None]).max(-1)
    return float(max(apart.min(0).max(), apart.min(1).max()))


def compare_boxes(ours: Ours, yolo: Any, paths: list[Path]) -> str:
    """Return how far the boxes of both are apart on the same canvases."""
    same, count = [], 0
    for path in paths:
        canvas, _ = fit(open_radiograph(path), ours.size_px)
        # predict cuts boxes at the picture's edges, as on_original does.
        found = ours.on_canvas(canvas)
        found = replace(found, corners=np.clip(found.corners, 0, ours.size_px))
        count += len(found.scores)
        same.append(gap(found, predict(yolo, np.dstack([canvas] * 3), ours.size_px)))
    ours.steps.clear()
    within = sum(one < 1 for one in same)
    largest = max((one for one in same if np.isfinite(one)), default=0.0)
    return (
        f"{count} boxes on the same canvases; within a pixel on {within} of {len(same)} images; "
        f"largest gap {largest:.3f} px, where as many are found"
    )


def main() -> None:
    """Compare boxes on equal canvases, then time all from file to boxes, by turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--backbone", default="yolov8n")
    parser.add_argument("--model", type=Path, help="a YOLOv8's folder of yours")
    parser.add_argument("--int8", action="store_true", help="quantize too (needs NNCF; minutes)")
    parser.add_argument("--own-threads", action="store_true", help="as many as each takes itself")
    given = parser.parse_args()
    clock, threads = time.process_time, 1
    if given.own_threads:
        clock, threads = time.perf_counter, 0
    else:
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = given.model or Path(name)
        paths = pictures(Path(name), given.images)
        if given.model:
            model, card = load_detector(folder)
        else:
            model, card = drawn(given.backbone, given.size, folder, paths)
        yolo = theirs(model, card.detector.backbone)
        ways = {
            "float32": Ours(folder, card, threads, clock),
            "bfloat16": Ours(folder, card, threads, clock, "bf16"),
        }
        if given.int8:
            films = Path(name) / "films"
            films.mkdir()
            for path in pictures(Path(name), given.images + 40)[given.images :]:
                (films / path.name).symlink_to(path)
            export_model(folder, "openvino-int8", Path(name) / "int8", images=films)
            ways["integers"] = Ours(Path(name) / "int8", card, threads, clock)
        for how, ours in ways.items():
            print(f"{how}: {compare_boxes(ours, yolo, paths)}")
        times: dict[str, list[float]] = {way: [] for way in (*ways, "ultralytics")}
        for path in paths:
            for how, ours in ways.items():
                begin = clock()
                ours(path)
                times[how].append(clock() - begin)
            begin = clock()
            predict(yolo, str(path), card.canvas_px)
            times["ultralytics"].append(clock() - begin)
        report(times, ways)


def report(times: dict[str, list[float]], ways: dict[str, Ours]) -> None:
    """Print medians in milliseconds, and how many times as fast ours is."""
    theirs = np.array(times["ultralytics"])
    print(f"ultralytics: {1000 * np.median(theirs):.1f} ms, {torch.get_num_threads()} threads")
    for how, ours in ways.items():
        steps = {name: 1000 * statistics.median(each) for name, each in ours.steps.items()}
        low, middle, high = np.quantile(theirs / times[how], [0.25, 0.5, 0.75])
        told = "; ".join(f"{name} {value:.1f} ms" for name, value in steps.items())
        print(
            f"{how}: {1000 * statistics.median(times[how]):.1f} ms ({told}), {middle:.2f} times as "
            f"fast (quartiles {low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
