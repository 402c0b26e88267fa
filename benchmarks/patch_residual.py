"""A patch residual network from film to score: compiled, in PyTorch, and restored hole by hole.

The same network and the same image, one after the other in one run::

    python benchmarks/patch_residual.py [--size 512] [--threads 2] [--backbone mobilenetv2_100]

The weights are random: time does not depend on them. The published way restores a 5 x 5 grid of
holes of the finest scale one after the other, here without its files on disk; ours restores every
place of the image at each scale. Outputs of the compiled network are compared with PyTorch's, in
float32 and as ``greenstick export --to openvino-bf16`` would have it computed.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from greenstick.models.classifier import Classifier, build_classifier
from greenstick.models.export import export_onnx
from greenstick.models.patch_restorer import Restorer, residuals
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings
from greenstick.reading.runtime import Runtime

_GRID, _HOLE_PX = 5, 32
_LONG_ENOUGH_S = 5.0


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    settings = ClassifierSettings(
        backbone=options.backbone,
        weights="none",
        head="cells",
        pooling="highest",
        restorer=RestorerSettings(),
    )
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        measure(options, build_classifier(settings).eval(), Path(folder))


def measure(options: argparse.Namespace, model: Classifier, folder: Path) -> None:
    """Time each way, and compare what they say."""
    rng = np.random.default_rng(0)
    image = rng.random((1, 1, options.size, options.size), dtype=np.float32)
    tensor = torch.from_numpy(image)
    path = export_onnx(model, options.size, folder / "model.onnx")
    compiled = Runtime(path, options.size, threads=options.threads)
    coarse = Runtime(path, options.size, threads=options.threads, precision="bf16")
    ways: dict[str, Callable[[], Any]] = {
        "compiled, the whole network": lambda: compiled(image),
        "compiled in bfloat16": lambda: coarse(image),
        "PyTorch, the whole network": lambda: model(tensor),
        "PyTorch, restorations alone": lambda: residuals(_restorer(model), tensor),
        f"PyTorch, {_GRID**2} restorations one after the other": lambda: one_by_one(
            _restorer(model), tensor
        ),
    }
    console = Console()
    console.print(f"{options.size} px, {options.threads} threads, {options.backbone}")
    for name, way in ways.items():
        seconds, processor = timed(way, options.rounds)
        console.print(f"{name}: {seconds:.3f} s an image, {processor:.3f} s of processors")
    exact = model(tensor).maps.numpy()
    for name, way in (("compiled", compiled), ("in bfloat16", coarse)):
        difference = np.abs(way(image).maps - exact).max()
        console.print(f"{name}: largest difference of a cell's logit from PyTorch {difference:.1e}")


def one_by_one(restorer: Restorer, image: torch.Tensor) -> NDArray[np.float32]:
    """Restore a grid of holes in the middle, each by a pass of its own."""
    restored = image.clone()
    first = (image.shape[-1] - _GRID * _HOLE_PX) // 2
    for number in range(_GRID**2):
        top, left = (first + place * _HOLE_PX for place in divmod(number, _GRID))
        hole = torch.zeros_like(image)
        hole[..., top : top + _HOLE_PX, left : left + _HOLE_PX] = 1.0
        filled = restorer(image, hole).images
        restored = torch.where(hole > 0, filled, restored)
    return restored.numpy()


def timed(way: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Return the least seconds of several rounds: by the clock, and of all processors."""
    way()  # the first sets up
    clock, processor = [], []
    for _ in range(rounds):
        if sum(processor) > _LONG_ENOUGH_S:
            break
        start, used = time.perf_counter(), time.process_time()
        way()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(clock), min(processor)


def _restorer(model: Classifier) -> Restorer:
    assert model.residual is not None
    return model.residual.restorer


if __name__ == "__main__":
    main()
