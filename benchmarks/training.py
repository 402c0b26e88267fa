"""Images a second of our training step against a plain timm + DataLoader loop.

Same files, same network, same size, same batch, one process after the other in one run::

    python benchmarks/training.py [FOLDER] [--images 256] [--size 320] [--backbone mobilenetv2_100]

FOLDER holds images (default: FracAtlas beside the project, else a drawn phantom). The plain loop
is what a tutorial writes: PIL decodes and torchvision varies each image in two workers, and the
network is trained in float32 as timm makes it. The first epoch of each warms up; the second
counts.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from greenstick.cohorts.drawn import write_phantom_cohort
from greenstick.cohorts.pixels import open_pixel_store
from greenstick.models.settings import ClassifierSettings
from greenstick.training.fit import fit
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Rows, TrainingData

FRACATLAS = Path(__file__).resolve().parents[1] / "../shared/data/fracatlas/images"
WEIGHTS = Path(__file__).resolve().parents[1] / "../shared/weights"


class PlainImages(Dataset[tuple[Tensor, float]]):
    """What a tutorial's data set does for each image, each time."""

    def __init__(self, paths: list[Path], labels: list[int], size: int) -> None:
        self.paths = paths
        self.labels = labels
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomAffine(12, translate=(0.06, 0.06), scale=(0.87, 1.15)),
                transforms.ColorJitter(brightness=0.2, contrast=0.2),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), float(self.labels[index])


def plain_speed(paths: list[Path], labels: list[int], options: argparse.Namespace) -> float:
    """Return images a second of the plain loop's second epoch."""
    model = timm.create_model(options.backbone, num_classes=1).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    loader = DataLoader(
        PlainImages(paths, labels, options.size),
        batch_size=options.batch,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
    )
    loss_of = nn.BCEWithLogitsLoss()
    for _ in range(2):
        start = time.perf_counter()
        for images, targets in loader:
            optimizer.zero_grad()
            loss_of(model(images)[:, 0], targets.float()).backward()
            optimizer.step()
    return len(paths) / (time.perf_counter() - start)


def our_speed(data: TrainingData, options: argparse.Namespace, **settings: object) -> float:
    """Return images a second of our second epoch."""
    model = {name: settings.pop(name) for name in ("batch_norm", "weights") if name in settings}
    values = {"weights": "none", **model}
    recipe = Recipe(canvas_px=options.size, batch_size=options.batch, epochs=2, **settings)
    network = ClassifierSettings(backbone=options.backbone, **values)
    with tempfile.TemporaryDirectory() as folder:
        result = fit(data, recipe, network, folder, trainer_flags={"accelerator": "cpu"})
    print(f"  precision {result.precision}; {result.model.origin}")
    return float(result.history["images_per_s"][1])


def find_images(folder: Path | None, n: int, scratch: Path) -> list[Path]:
    """Return n readable images from a folder, from FracAtlas, or freshly drawn."""
    folder = folder or (FRACATLAS if FRACATLAS.is_dir() else None)
    if folder is None:
        print("drawing a phantom cohort: FracAtlas is not beside the project")
        folder = write_phantom_cohort(scratch / "phantom", n).parent / "images"
    paths = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    step = max(1, len(paths) // (n + n // 8))
    return [path for path in paths[::step] if _decodes(path)][:n]


def _decodes(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    options = parser.parse_args()
    if WEIGHTS.is_dir():
        os.environ.setdefault("GREENSTICK_WEIGHTS", str(WEIGHTS))
    with tempfile.TemporaryDirectory() as name:
        measure(options, Path(name))


def measure(options: argparse.Namespace, scratch: Path) -> None:
    """Run every variant over the same images."""
    paths = find_images(options.folder, options.images, scratch)
    labels = [index % 2 for index in range(len(paths))]  # speed does not depend on them
    store = open_pixel_store(scratch / "cache", options.size)
    start = time.perf_counter()
    keys = [key for key in store.add(paths).keys if key is not None]
    decode = len(keys) / (time.perf_counter() - start)
    rows = Rows(keys, np.array(labels[: len(keys)]), [None] * len(keys))
    few = Rows(keys[:4], rows.labels[:4], [None] * 4)
    data = TrainingData(store, rows, few)
    speeds = {
        "plain timm + DataLoader": plain_speed(paths, labels, options),
        "Greenstick, float32": our_speed(data, options, precision="32"),
        "Greenstick": our_speed(data, options),
    }
    folded = {"weights": "auto", "batch_norm": "fold"}
    speeds["  + norms folded"] = our_speed(data, options, **folded)
    speeds["  + 3 stages frozen"] = our_speed(data, options, **folded, frozen_stages=3)
    show(speeds, options, decode)


def show(speeds: dict[str, float], options: argparse.Namespace, decode: float) -> None:
    """Print the table, and the ratio that counts: same network, all of it trained."""
    title = f"{options.backbone}, {options.size} px, batch {options.batch}, CPU"
    table = Table("training step", "images/s", "ratio", title=title)
    plain = speeds["plain timm + DataLoader"]
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:.1f}", f"{speed / plain:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"{torch.get_num_threads()} threads; decoding once into the store: {decode:.0f} images/s; "
        f"same network, all trained: {speeds['Greenstick'] / plain:.1f} times the plain loop"
    )


if __name__ == "__main__":
    main()
