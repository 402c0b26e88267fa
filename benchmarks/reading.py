"""Images a second of our reader against a plain PyTorch loop, with the same network.

Files to probabilities, one image at a time, in one run, on the CPU::

    python benchmarks/reading.py [FOLDER] [--images 128] [--size 320] [--threads 1]

FOLDER holds images (default: FracAtlas beside the project, else a drawn phantom). The plain loop is
what a tutorial writes: PIL opens and stretches each image, and the network runs in eager PyTorch.
Reading opens, guards, fits, scores, calibrates, and finds the heat map's peak; with pictures, it
draws and saves the overlay too. The networks compute in as many threads (1 unless told).
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from greenstick.cohorts.drawn import write_phantom_cohort
from greenstick.errors import GreenstickError
from greenstick.models.card import Card
from greenstick.models.checkpoint import save_checkpoint
from greenstick.models.classifier import Classifier, build_classifier
from greenstick.models.settings import ClassifierSettings
from greenstick.radiographs.opening import open_radiograph
from greenstick.reading.archive import read_paths
from greenstick.reading.reader import Reader

FRACATLAS = Path(__file__).resolve().parents[1] / "../shared/data/fracatlas/images"


def find_images(folder: Path | None, number: int, scratch: Path) -> list[Path]:
    """Return paths of images that open, evenly taken from the folder."""
    if folder is None and FRACATLAS.is_dir():
        folder = FRACATLAS
    if folder is None:
        write_phantom_cohort(scratch / "phantom", number)
        folder = scratch / "phantom/images"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    paths = [path for path in paths[:: max(1, len(paths) // number)] if opens(path)]
    return paths[:number]


def opens(path: Path) -> bool:
    """Say whether a file is a whole radiograph."""
    try:
        return open_radiograph(path).pixels.size > 0
    except GreenstickError:
        return False


def read_plainly(model: Classifier, paths: list[Path], size: int) -> None:
    """Read as a tutorial does: PIL, a stretch to the square, eager PyTorch."""
    with torch.inference_mode():
        for path in paths:
            image = Image.open(path).convert("L").resize((size, size))
            pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255.0)
            float(model(pixels[None, None]).logits.sigmoid())


def main() -> None:
    """Time both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        paths = find_images(given.folder, given.images, Path(scratch))
        settings = ClassifierSettings(backbone=given.backbone, weights="none")
        card = Card(name="benchmark", classifier=settings, canvas_px=given.size)
        model = build_classifier(settings).eval()
        folder = save_checkpoint(Path(scratch) / "model", model, card)
        reader = Reader(folder, threads=given.threads)
        output = Path(scratch) / "out"
        ways = {
            "plain PyTorch": lambda: read_plainly(model, paths, given.size),
            "greenstick, readings": lambda: list(reader.read_many(paths)),
            "greenstick, with pictures": lambda: read_paths(
                paths, folder, output, threads=given.threads
            ),
        }
        table = Table("way", "images/s", "ms an image")
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds = time.perf_counter() - start
            table.add_row(name, f"{len(paths) / seconds:.1f}", f"{1000 * seconds / len(paths):.1f}")
        title = f"{len(paths)} images, {given.backbone} at {given.size} px"
        Console().print(title, table, sep="\n")


if __name__ == "__main__":
    main()
