"""How often the guard warns of films that it should let pass, and of what it should not.

Reads a run's held-out films (its test rows, which chose nothing of the guard), the same inverted,
as a screenshot and as a photograph of a screen, and what else is at hand, as a user would::

    python benchmarks/guard.py runs/x [--films 150] [--seed 0]
    python benchmarks/guard.py runs/boxes --cohort split.parquet    # a detector by itself

Screenshots and photographs are drawn around real films: a window with its bars, buttons and words;
a bezel, perspective, the screen's grid, a reflection and the camera's noise.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from rich.console import Console
from rich.table import Table

from greenstick.cohorts.cohort import read_cohort
from greenstick.errors import GreenstickError
from greenstick.radiographs.opening import open_radiograph
from greenstick.reading.reader import Reader

SHARED = Path(__file__).resolve().parents[1] / "../shared/data"
STRANGE, FAR = "does not look like", "looks like nothing"
Film, Dice = Image.Image, np.random.Generator


def as_screenshot(film: Film, dice: Dice) -> Film:
    """Return a film in the window of a viewer, as the whole screen."""
    screen = Image.new("L", (1280, 800), int(dice.integers(30, 70)))
    draw, ground = ImageDraw.Draw(screen), int(dice.integers(140, 230))
    left = int(dice.integers(160, 320))
    draw.rectangle((0, 0, 1280, 28), fill=ground)
    draw.text((10, 8), "Viewer  File  Edit  Image  Tools  Window  Help", fill=20)
    draw.rectangle((0, 29, left, 800), fill=ground - 30)
    for line in range(int(dice.integers(8, 20))):
        words = "Series 1 of 4   W 2048 L 1024   Zoom 100 %   R"[: int(dice.integers(12, 46))]
        draw.text((12, 44 + 22 * line), words, fill=int(dice.integers(0, 60)))
    for button in range(8):
        corner = 12 + 36 * (button % 4), 560 + 36 * (button // 4)
        draw.rectangle((*corner, corner[0] + 30, corner[1] + 30), outline=10, fill=ground)
    shown = film.copy()
    shown.thumbnail((1280 - left - 40, 730))
    screen.paste(shown, (left + 20 + (1280 - left - 40 - shown.width) // 2, 50))
    return screen


def as_photograph(film: Film, dice: Dice) -> Film:
    """Return a film on a screen, photographed by a telephone, in gray."""
    wide, high = 1000, 760
    shown = film.copy()
    shown.thumbnail((wide - 140, high - 160))
    desk = dice.normal(float(dice.uniform(70, 150)), 6.0, (high, wide))
    scene = Image.fromarray(np.clip(desk, 0, 255).astype(np.uint8))
    scene = scene.filter(ImageFilter.GaussianBlur(6))
    left, top = (wide - shown.width) // 2, (high - shown.height) // 2
    draw = ImageDraw.Draw(scene)
    frame = (left - 34, top - 30, left + shown.width + 34, top + shown.height + 44)
    draw.rectangle(frame, fill=int(dice.integers(8, 40)))
    scene.paste(shown, (left, top))
    values = np.asarray(scene, np.float32)
    rows, columns = np.mgrid[0:high, 0:wide]
    period = float(dice.uniform(3.1, 5.0))
    grid = 1.0 + 0.06 * np.sin(2 * np.pi * (columns + 0.1 * rows) / period)
    glare = 50.0 * np.exp(-(((columns - dice.uniform(200, 800)) / 160) ** 2) - (rows / 300.0) ** 2)
    values = 0.85 * values * grid + 18.0 + glare + dice.normal(0.0, 4.0, values.shape)
    photo = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    lean = dice.uniform(-0.06, 0.06, 2)
    matrix = (1.0, lean[0], -lean[0] * 380, lean[1], 1.0, -lean[1] * 500, lean[0] / 2000, 0.0)
    turned = photo.transform((wide, high), Image.Transform.PERSPECTIVE, matrix, Image.BICUBIC)
    return turned.filter(ImageFilter.GaussianBlur(0.8))


WAYS: dict[str, Callable[[Film, Dice], Film]] = {
    "as they are": lambda film, _: film,
    "upside down": lambda film, _: film.transpose(Image.Transpose.ROTATE_180),
    "turned by 90 degrees": lambda film, _: film.transpose(Image.Transpose.ROTATE_90),
    "inverted": lambda film, _: Image.eval(film, lambda value: 255 - value),
    "on a screenshot": as_screenshot,
    "photographed on a screen": as_photograph,
}


def shown(path: Path) -> Film:
    pixels = open_radiograph(path).pixels
    return Image.fromarray(np.rint(pixels * 255.0).astype(np.uint8))


def write_kinds(folder: Path, films: list[Path], seed: int) -> dict[str, list[Path]]:
    """Write what is to be read; return the files by kind."""
    dice, kinds = np.random.default_rng(seed), {}
    for kind, way in WAYS.items():
        kinds[kind] = []
        for number, path in enumerate(films if kind == "as they are" else films[:60]):
            file = folder / f"{kind} {number}.png"
            way(shown(path), dice).save(file)
            kinds[kind].append(file)
    kinds["noise"] = []
    for number in range(20):
        noise: NDArray[np.uint8] = dice.integers(0, 256, (500, 400), dtype=np.uint8)
        kinds["noise"].append(folder / f"noise {number}.png")
        Image.fromarray(noise).save(kinds["noise"][-1])
    others = SHARED / "dicom"
    if others.is_dir():
        kinds["CT, MR, US, XA, NM, photograph, report (DICOM)"] = sorted(
            others.glob("not_radiographs/*")
        )
        kinds["the same, as gray pictures"] = as_pictures(others / "not_radiographs", folder)
        kinds["chest film (DICOM)"] = sorted(others.glob("radiographs/RG1*"))
        kinds["tibia of another hospital (DICOM)"] = sorted(others.glob("radiographs/RG3*"))
    elsewhere = sorted((SHARED / "hbfmid/images").glob("*"))
    kinds["limbs from elsewhere (HBFMID)"] = elsewhere[:: max(1, len(elsewhere) // 60)]
    return {kind: paths for kind, paths in kinds.items() if paths}


def as_pictures(files: Path, folder: Path) -> list[Path]:
    """Save the pixels of DICOM files that hold some as gray PNG, which says nothing of itself."""
    import pydicom

    found = []
    for path in sorted(files.glob("*.dcm")):
        try:
            values = pydicom.dcmread(path, force=True).pixel_array
        except (AttributeError, ValueError, RuntimeError, GreenstickError):
            continue
        values = values[0] if values.ndim == 3 and values.shape[-1] > 4 else values
        values = values.mean(axis=-1) if values.ndim == 3 else values
        low, high = np.percentile(values, (0.5, 99.5))
        gray = np.clip((values - low) / max(high - low, 1) * 255.0, 0, 255).astype(np.uint8)
        found.append(folder / f"gray {path.stem}.png")
        Image.fromarray(gray).save(found[-1])
    return found


def judge(reader: Reader, paths: Iterable[Path]) -> Counter[str]:
    """Count what becomes of files."""
    count: Counter[str] = Counter()
    for reading in reader.read_many(paths):
        count["n"] += 1
        count["not read"] += reading.status == "not read"
        count["its look"] += any(STRANGE in warning for warning in reading.warnings)
        count["another"] += any(STRANGE not in warning for warning in reading.warnings)
        count["passed"] += reading.status == "read" and not reading.warnings
    return count


def main() -> None:
    """Write, read, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run, or with --cohort any model")
    parser.add_argument("--cohort", type=Path, help="whose split 'test' the model never saw")
    parser.add_argument("--films", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cohort = read_cohort(given.cohort or given.run / "cohort.parquet")
    splits = cohort.table if given.cohort else pl.read_parquet(given.run / "splits.parquet")
    test = splits.filter(split="test").select("image")
    rows = cohort.table.join(test.unique(), on="image", how="semi")
    rows = rows.sample(min(given.films, rows.height), seed=given.seed)
    reader = Reader(given.run, threads=1)
    table = Table("", "n", "not read", "warned: its look", "of something else", "passed")
    with tempfile.TemporaryDirectory() as scratch:
        films = cohort.with_table(rows).paths()
        for kind, paths in write_kinds(Path(scratch), films, given.seed).items():
            count = judge(reader, paths)
            shares = (count[name] for name in ("not read", "its look", "another", "passed"))
            table.add_row(
                kind, str(count["n"]), *(f"{100 * share / count['n']:.0f} %" for share in shares)
            )
    facts = reader.facts()
    said = f"{100 * (facts['familiar_false_alarms'] or 0):.0f} % on {facts['familiar_chosen_on']}"
    Console(width=120).print(f"false alarms stated: {said} rows", table)


if __name__ == "__main__":
    main()
