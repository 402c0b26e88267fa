"""A cohort of drawn radiographs, with known truth."""

import os
import signal
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from greenstick.cohorts.cohort import make_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.radiographs.phantom import (
    SIZE_PX,
    Drawing,
    check_size,
    draw_film,
    films_of_patient,
    plan_patient,
)

COHORT_FILE = "cohort.parquet"
IMAGES = "images"
_COMMENT = "Drawn by Greenstick for tests and teaching. It shows no patient. Research use only."

#: Processes draw a third quicker than threads; below this many, to start them takes longer.
_MANY = 100

Row = dict[str, object]


def write_phantom_cohort(
    folder: Path,
    n: int,
    *,
    seed: int = 0,
    size_px: int = SIZE_PX,
    overwrite: bool = False,
    workers: int | None = None,
    processes: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw radiographs with fractures of known place and type, as a cohort.

    Parameters
    ----------
    folder
        Where ``images/*.png`` (8-bit gray) and ``cohort.parquet`` go.
    n
        How many radiographs. Patients have one to three, the last one as many as there is room
        for; the first patients of a larger cohort are those of a smaller one.
    seed
        Another seed, other patients.
    size_px
        Longer side of the pictures.
    overwrite
        Whether a drawn cohort that is in the folder may be replaced.
    workers
        Who draw at a time; None for one a core. The pictures do not depend on it.
    processes
        Many are drawn by processes, not threads: quicker, for programs whose main module has the
        guard that :mod:`multiprocessing` asks for.
    progress
        Called with (done, total) after each radiograph.

    Returns
    -------
    Path of the cohort file. Beyond the usual columns it has ``body_part``, ``view``,
    ``laterality``, ``exposure`` ("normal", "under", "over"), ``hardware`` and ``child`` (Boolean),
    and ``visibility`` (Float64 in [0, 1): how well the fracture stands out of the noise; null
    where there is none).

    Raises
    ------
    GreenstickError
        Where n or the size is too small, the seed is negative, the folder cannot be written, or
        it holds a cohort already.
    """
    folder = Path(folder)
    if n < 1:
        raise GreenstickError(
            f"{n} radiographs cannot be drawn.", remedy="Ask for at least one with -n."
        )
    check_size(size_px)
    films = list(_films(seed, n))
    _prepare(folder, overwrite)
    rows: list[Row] = []
    # One task a patient: what a patient has in common is planned once.
    tasks = [(folder, seed, index, numbers, size_px) for index, numbers in films]
    try:
        with _pool(workers or os.cpu_count(), processes=processes and n >= _MANY) as pool:
            for drawn in pool.map(_draw, *zip(*tasks, strict=True)):
                rows += drawn
                if progress is not None:
                    progress(len(rows), n)
    except BrokenProcessPool:
        raise GreenstickError(
            "A process that draws was ended by the system.",
            remedy="See that memory is free, and run the same command again.",
        ) from None
    path = folder / COHORT_FILE
    write_cohort(make_cohort(_table(rows), folder), path)
    return path


def _pool(workers: int | None, *, processes: bool) -> Executor:
    if not processes:
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),  # a fork of a process with threads can hang
        initializer=signal.signal,  # Ctrl-C is for the process that waits for them
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )


def _films(seed: int, n: int) -> Iterator[tuple[int, int]]:
    """Yield (patient, number of films) until there are n films."""
    left = n
    for index in count():
        films = min(left, films_of_patient(seed, index))
        yield index, films
        left -= films
        if left == 0:
            return


def _prepare(folder: Path, overwrite: bool) -> None:
    if (folder / COHORT_FILE).exists() and not overwrite:
        raise GreenstickError(
            f"{folder} holds a cohort already.",
            remedy="Choose another folder, or replace it with --overwrite.",
        )
    try:
        # Images of a former cohort would lie about, in no table; only ours are touched.
        (folder / COHORT_FILE).unlink(missing_ok=True)
        for old in (folder / IMAGES).glob("p?????-?.png"):
            old.unlink()
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GreenstickError(
            f"{folder} cannot be written ({error.strerror}).", remedy="Choose another folder."
        ) from None


def _draw(folder: Path, seed: int, index: int, films: int, size_px: int) -> list[Row]:
    patient = plan_patient(seed, index)
    rows = []
    for number, pose in enumerate(patient.poses[:films], start=1):
        drawing = draw_film(patient, pose, size_px)
        image = f"{IMAGES}/p{index:05d}-{number}.png"
        _write(drawing, folder / image)
        rows.append(_row(drawing, image, index))
    return rows


def _write(drawing: Drawing, path: Path) -> None:
    said = PngInfo()
    said.add_text("Comment", _COMMENT)
    pixels = np.rint(drawing.pixels * 255.0).astype(np.uint8)
    # Of noise, only runs of the ground compress: the quickest way is also the smallest here.
    Image.fromarray(pixels).save(path, pnginfo=said, compress_type=zlib.Z_RLE)


def _row(drawing: Drawing, image: str, index: int) -> Row:
    boxes = [
        {"x": x, "y": y, "width": w, "height": h, "class": drawing.fracture_type}
        for x, y, w, h in drawing.boxes.tolist()
    ]
    return {
        "image": image,
        "patient": f"drawn-{index:05d}",
        "label": drawing.label,
        "fracture_type": drawing.fracture_type,
        "boxes": boxes,
        "body_part": drawing.body_part,
        "view": drawing.view,
        "laterality": drawing.laterality,
        "exposure": drawing.exposure,
        "hardware": drawing.hardware,
        "child": drawing.child,
        "visibility": drawing.visibility,
    }


def _table(rows: list[Row]) -> pl.DataFrame:
    texts = ("image", "patient", "fracture_type", "body_part", "view", "laterality", "exposure")
    schema: dict[str, pl.DataType] = dict.fromkeys(texts, pl.String())
    schema |= {"visibility": pl.Float64(), "hardware": pl.Boolean(), "child": pl.Boolean()}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)
