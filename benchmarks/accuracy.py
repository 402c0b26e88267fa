"""Whether what is done for speed costs accuracy: the same films, the same model, by every way.

Each film is scored by PyTorch, by OpenVINO in float32, bfloat16 and 8-bit integers, and, enlarged
and coded as a DICOM file would be, from all of its pixels and from what reduced decoding keeps::

    python benchmarks/accuracy.py runs/x [--films 573] [--without-every 11] [--seed 0]

The films are a run's validation rows (a run that chose nothing on them says most). Differences of
AUROC are paired, with DeLong's interval by patient, where an enlarged film is compared with the
same decoded whole; so are differences of the probability. 8-bit integers are made with training
rows. What is left out by ``--without-every`` are films that set how much less may be decoded: of
FracAtlas every 11th validation film by its name. The real CR films beside the project (RG1, RG3)
are coded anew at their own size and read likewise, as they are, by the last table.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from greenstick.cohorts.cohort import Cohort, read_cohort
from greenstick.evidence.comparison import Difference, compare
from greenstick.experiments.exporting import export_model
from greenstick.models.checkpoint import load_checkpoint
from greenstick.radiographs.canvas import fit
from greenstick.radiographs.dicom.codestreams import read_header
from greenstick.radiographs.dicom.pixels import decode_frame
from greenstick.radiographs.opening import open_radiograph
from greenstick.radiographs.radiograph import Radiograph
from greenstick.reading.judge import Judge
from greenstick.reading.reader import find_model
from greenstick.reading.runtime import Output, Runtime

REAL = Path(__file__).resolve().parents[1] / "../shared/data/dicom/radiographs"
Canvas = NDArray[np.uint8]
#: Longer sides of enlarged films, in times the network's: a halving or two, and a margin.
SIDES = (3.4, 4.6, 6.5)


class Ways:
    """All ways from a canvas to a probability."""

    def __init__(self, run: Path, scratch: Path) -> None:
        folder = find_model(run)
        self.network, self.card = load_checkpoint(folder)
        self.judge, self.flips = Judge(self.card), 2 if self.card.flip_average else 1
        export_model(run, "openvino-int8", scratch / "int8")
        files = {"f32": folder / "model.onnx", "bf16": folder / "model.onnx"}
        self.compiled = {
            name: Runtime(path, self.card.canvas_px, batch=self.flips, threads=1, precision=name)
            for name, path in files.items()
        }
        self.compiled["int8"] = Runtime(
            scratch / "int8/model.xml", self.card.canvas_px, batch=self.flips, threads=1
        )

    def by(self, way: str, canvas: Canvas) -> float:
        """Return a probability."""
        image = canvas.astype(np.float32)[None] / np.float32(255.0)
        batch = np.ascontiguousarray(np.stack((image, image[..., ::-1])[: self.flips]))
        if way == "torch":
            with torch.inference_mode():
                said = self.network(torch.from_numpy(batch))
            output = Output(said.logits.numpy(), said.maps.numpy())
        else:
            output = self.compiled[way](batch)
        return self.judge.judge(self.judge.of_one(output)[0], None).probability


def enlarged(film: Radiograph, side: int, dice: np.random.Generator) -> NDArray[np.uint8]:
    """Return a film at a longer side, with the grain of one that was taken at that size."""
    picture = Image.fromarray(film.pixels)
    factor = side / max(picture.size)
    size = (round(picture.width * factor), round(picture.height * factor))
    values = 255.0 * np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    values += dice.normal(0.0, 2.0, values.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CODECS: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "JPEG 2000 lossless": lambda v: imagecodecs.jpeg2k_encode(
        v, 0, reversible=True, codecformat="j2k"
    ),
    "JPEG 2000 lossy": lambda v: imagecodecs.jpeg2k_encode(
        v, 45, reversible=False, codecformat="j2k"
    ),
    "JPEG": lambda v: imagecodecs.jpeg8_encode(v, level=92),
}


def from_code(frame: bytes, size_px: tuple[int, int], canvas_px: int, *, less: bool) -> Canvas:
    """Return the canvas of a coded film, from all of its pixels or from what is kept."""
    decoded = decode_frame(frame, read_header(frame), canvas_px if less else None)
    assert (decoded.reduction.factor > 1) is less
    pixels = decoded.values.astype(np.float32) / np.float32(255.0)
    return fit(Radiograph(pixels, size_px, "", reduction=decoded.reduction), canvas_px)[0]


def score(rows: Cohort, ways: Ways, seed: int) -> dict[str, list[float]]:
    """Return the films' probabilities by way."""
    found: dict[str, list[float]] = {}
    px = ways.card.canvas_px
    for number, path in enumerate(rows.paths()):
        dice = np.random.default_rng([seed, number])
        film = open_radiograph(path)
        canvas = fit(film, px)[0]
        for way in ("torch", "f32", "bf16", "int8"):
            found.setdefault(way, []).append(ways.by(way, canvas))
        values = enlarged(film, round(SIDES[number % len(SIDES)] * px), dice)
        size = (values.shape[1], values.shape[0])
        for name, encode in CODECS.items():
            frame = bytes(encode(values))
            for less in (False, True):
                picture = from_code(frame, size, px, less=less)
                key = f"{name}, {'reduced' if less else 'whole'}"
                found.setdefault(key, []).append(ways.by("f32", picture))
        cut = Radiograph(values[1:, 1:] / np.float32(255.0), (size[0] - 1, size[1] - 1), "")
        found.setdefault("JPEG 2000 lossless, cut", []).append(ways.by("f32", fit(cut, px)[0]))
    return found


PAIRS = (
    ("OpenVINO float32", "torch", "f32"),
    ("OpenVINO bfloat16", "torch", "bf16"),
    ("OpenVINO 8-bit integers", "torch", "int8"),
    *((f"{name}, reduced", f"{name}, whole", f"{name}, reduced") for name in CODECS),
    ("one row and column cut off", "JPEG 2000 lossless, whole", "JPEG 2000 lossless, cut"),
)


def show(rows: Cohort, found: dict[str, list[float]]) -> None:
    """Print what each way changes."""
    table = Table(
        "", "AUROC", "difference [95 %]", "of probability: mean", "median", "95 %", "largest"
    )
    who = rows.table.select("image", "patient", "label")
    for name, first, second in PAIRS:
        one, two = (who.with_columns(score=pl.Series(found[way])) for way in (first, second))
        auroc = compare(one, two, names=("a", "b"), replicates=50).difference("AUROC")
        moved = np.abs(np.array(found[second]) - np.array(found[first]))
        table.add_row(
            name,
            f"{auroc.second:.4f}",
            told(auroc),
            *(f"{v:.4f}" for v in (moved.mean(), np.median(moved), np.quantile(moved, 0.95))),
            f"{moved.max():.4f}",
        )
    labels = rows.table["label"]
    Console(width=140).print(f"{len(labels)} films, {labels.sum()} with a fracture", table)


def told(found: Difference) -> str:
    if found.difference is None or found.lower is None or found.upper is None:
        return found.method
    return f"{found.difference:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}]"


def show_real(ways: Ways) -> None:
    """Print the probabilities of the real CR films, in eight bits, by all and by less of them."""
    table = Table("film", *(f"{name}: whole, reduced" for name in CODECS))
    for path in sorted(REAL.glob("RG?_JLSN.dcm")):
        values = np.rint(255.0 * open_radiograph(path).pixels).astype(np.uint8)
        size, said = (values.shape[1], values.shape[0]), []
        for encode in CODECS.values():
            frame = bytes(encode(values))
            pictures = (from_code(frame, size, ways.card.canvas_px, less=b) for b in (False, True))
            said.append(", ".join(f"{ways.by('f32', picture):.4f}" for picture in pictures))
        table.add_row(f"{path.stem[:3]}, {max(size)} px", *said)
    Console(width=140).print(table)


def main() -> None:
    """Score, compare, print."""
    given = asked()
    torch.set_num_threads(1)
    rows = wanted(given)
    with tempfile.TemporaryDirectory() as scratch:
        ways = Ways(given.run, Path(scratch))
        show(rows, score(rows, ways, given.seed))
        show_real(ways)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--films", type=int, default=0, help="every fracture and so many others; 0: all"
    )
    parser.add_argument(
        "--without-every", type=int, default=0, help="leave out every so many-th film by name"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def wanted(given: argparse.Namespace) -> Cohort:
    """Return the rows that are to be scored."""
    cohort = read_cohort(given.run / "cohort.parquet")
    valid = pl.read_parquet(given.run / "splits.parquet").filter(split="valid").select("image")
    if given.without_every:
        left_out = valid.unique().sort("image").gather_every(given.without_every)
        valid = valid.join(left_out, on="image", how="anti")
    table = cohort.table.join(valid.unique(), on="image", how="semi")
    broken, others = table.filter(label=1), table.filter(label=0)
    left = given.films - broken.height
    if given.films and left < others.height:
        table = pl.concat([broken, others.sample(max(0, left), seed=given.seed)])
    return cohort.with_table(table)


if __name__ == "__main__":
    main()
