"""How fast films are read, from files to probabilities with heat maps, one at a time.

The same network and the same films of 1,760 to 2,500 px, in four codings, by three ways::

    python benchmarks/reading.py [--repeats 3] [--size 384] [--threads 1]

(a) the usual one: pydicom (or Pillow for a JPEG file) decodes all of a film, VOI, resizing, eager
PyTorch, and Grad-CAM by pytorch-grad-cam; (b) torchxrayvision's documented way of loading, eager
PyTorch, no heat map; (c) Greenstick's reader, and the same computing in bfloat16. Of a model that
averages a film's score with that of its mirror, all ways do so, heat maps included. Each way runs
in a process of its own, in one thread, and its processor time is taken, which other work on the
machine lengthens less than the time of day. The films come from the two real ones beside the
project (RG1, RG3), else from a drawn phantom.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from rich.console import Console
from rich.table import Table

SHARED = Path(__file__).resolve().parents[1] / "../shared/data"
CODINGS = ("JPEG 2000 lossless", "JPEG-LS lossless", "uncompressed", "JPEG file, 8 bits")
WAYS = {
    "usual": "(a) usual",
    "xrv": "(b) torchxrayvision",
    "ours": "(c) greenstick",
    "bf16": "(c) in bfloat16",
}
Values = NDArray[np.uint16]


def films() -> list[tuple[Values, int, str]]:
    """Return (values, bits, photometric interpretation) of 1,760, 1,955 and 2,500 px."""
    folder = SHARED / "dicom/radiographs"
    if not folder.is_dir():
        from greenstick.cohorts.drawn import write_phantom_cohort
        from greenstick.radiographs.opening import open_radiograph

        with tempfile.TemporaryDirectory() as drawn:
            write_phantom_cohort(Path(drawn), 1)
            (path,) = Path(drawn).glob("images/*")
            pixels = Image.fromarray(open_radiograph(path).pixels).resize((1760, 1760))
        found = [((np.clip(np.asarray(pixels), 0, 1) * 4095).astype(np.uint16), 12, "MONOCHROME2")]
    else:
        found = [
            (pydicom.dcmread(folder / name).pixel_array, bits, "MONOCHROME1")
            for name, bits in (("RG3_JLSL.dcm", 10), ("RG1_JLSN.dcm", 15))
        ]
    first, bits, photometric = found[0]
    larger = Image.fromarray(first.astype(np.float32)).resize(
        (2500, 2500), Image.Resampling.BICUBIC
    )
    grain = np.random.default_rng(0).normal(0.0, 2.0, (2500, 2500))
    values = np.clip(np.asarray(larger) + grain, 0, 2**bits - 1).astype(np.uint16)
    return [*found, (values, bits, photometric)]


def write_films(folder: Path) -> dict[str, list[Path]]:
    """Write the films in every coding."""
    written: dict[str, list[Path]] = {coding: [] for coding in CODINGS}
    for number, (values, bits, photometric) in enumerate(films()):
        frames = {
            "JPEG 2000 lossless": (uid.JPEG2000Lossless, imagecodecs.jpeg2k_encode(
                values, 0, reversible=True, codecformat="j2k", bitspersample=bits)),
            "JPEG-LS lossless": (uid.JPEGLSLossless, imagecodecs.jpegls_encode(values)),
            "uncompressed": (uid.ExplicitVRLittleEndian, b""),
        }  # fmt: skip
        for coding, (syntax, frame) in frames.items():
            path = folder / f"{coding.replace(' ', '-')}-{number}.dcm"
            write_dicom(path, values, bits, photometric, syntax, bytes(frame))
            written[coding].append(path)
        path = folder / f"film-{number}.jpg"
        eight = (values >> (bits - 8)).astype(np.uint8)
        shown = 255 - eight if photometric == "MONOCHROME1" else eight
        Image.fromarray(shown).save(path, quality=92)
        written[CODINGS[3]].append(path)
    return written


def write_dicom(
    path: Path, values: Values, bits: int, photometric: str, syntax: uid.UID, frame: bytes
) -> None:
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.file_meta.MediaStorageSOPClassUID = uid.ComputedRadiographyImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=[path.name])
    file.SOPClassUID, file.Modality = uid.ComputedRadiographyImageStorage, "CR"
    file.PhotometricInterpretation, file.SamplesPerPixel = photometric, 1
    file.Rows, file.Columns = values.shape
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, bits, bits - 1
    file.PixelRepresentation = 0
    file.WindowCenter, file.WindowWidth = 2 ** (bits - 1), 2**bits
    file.PixelData = encapsulate([frame]) if frame else values.tobytes()
    file["PixelData"].VR = "OB" if frame else "OW"
    file["PixelData"].is_undefined_length = bool(frame)
    file.save_as(path, enforce_file_format=True)


def usual(folder: Path, size: int, threads: int) -> Callable[[Path], float]:
    """Return what tutorials do."""
    import torch
    from pydicom.pixels import apply_modality_lut, apply_voi_lut
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import BinaryClassifierOutputTarget

    from greenstick.models.checkpoint import load_checkpoint

    torch.set_num_threads(threads)
    network, card = load_checkpoint(folder)

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.network(images).logits

    model = Logits().eval()
    cam = GradCAM(model=model, target_layers=[network.backbone.blocks[-1]])

    def read(path: Path) -> float:
        if path.suffix == ".jpg":
            pixels = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255.0
        else:
            file = pydicom.dcmread(path)
            shown = apply_voi_lut(apply_modality_lut(file.pixel_array, file), file)
            pixels = ((shown - shown.min()) / np.ptp(shown)).astype(np.float32)
            if file.PhotometricInterpretation == "MONOCHROME1":
                pixels = 1.0 - pixels
        image = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
        batch = views_of(torch.from_numpy(np.array(image))[None, None], card)
        with torch.inference_mode():
            probability = float(model(batch).mean().sigmoid())
        targets = [BinaryClassifierOutputTarget(1)] * len(batch)
        maps = cam(input_tensor=batch.clone(), targets=targets)
        (maps[0] + maps[-1, :, ::-1]) / 2.0
        return probability

    return read


def views_of(batch: Any, card: Any) -> Any:
    """Return a film, and its mirror where the model looks at that too."""
    import torch

    return torch.cat([batch, batch.flip(-1)]) if card.flip_average else batch


def torchxrayvision(folder: Path, size: int, threads: int) -> Callable[[Path], float]:
    """Return torchxrayvision's documented way of loading a film, before the same network."""
    import torch
    import torchvision
    import torchxrayvision as xrv

    from greenstick.models.checkpoint import load_checkpoint

    torch.set_num_threads(threads)
    network, card = load_checkpoint(folder)
    steps = torchvision.transforms.Compose(
        [xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(size)]
    )

    def read(path: Path) -> float:
        if path.suffix == ".jpg":
            image = xrv.utils.load_image(str(path))
        else:
            image = xrv.utils.read_xray_dcm(path)[None]
        pixels = (np.asarray(steps(image), np.float32) + 1024.0) / 2048.0
        with torch.inference_mode():
            batch = views_of(torch.from_numpy(pixels)[None], card)
            return float(network(batch).logits.mean().sigmoid())

    return read


def ours(folder: Path, size: int, threads: int) -> Callable[[Path], float]:  # noqa: ARG001
    from greenstick.reading.reader import Reader

    reader = Reader(folder, threads=threads)

    def read(path: Path) -> float:
        reading = reader(path)
        assert reading.probability is not None, reading.reason
        return reading.probability

    return read


def in_bfloat16(folder: Path, size: int, threads: int) -> Callable[[Path], float]:
    from greenstick.models.card import read_card, write_card

    other = folder.with_name("bf16")
    shutil.copytree(folder, other)
    write_card(other, read_card(other).model_copy(update={"precision": "bf16"}))
    return ours(other, size, threads)


def shares(folder: Path, size: int, threads: int, paths: dict[str, list[Path]]) -> dict[str, Any]:
    """Return milliseconds of each of our steps alone, by coding."""
    from greenstick.explanation.activation_maps import heatmap
    from greenstick.models.card import NETWORK, read_card
    from greenstick.radiographs.canvas import fit
    from greenstick.radiographs.opening import open_radiograph
    from greenstick.reading.guard import Wanted, guard
    from greenstick.reading.preparing import checksum_of
    from greenstick.reading.runtime import Runtime

    runtime, found = Runtime(folder / NETWORK, size, threads=threads), {}
    views = 2 if read_card(folder).flip_average else 1
    for coding, films in paths.items():
        steps: dict[str, list[float]] = {}
        for path in films:
            film = timed(
                steps, "decode and window", lambda p=path: open_radiograph(p, at_least_px=size)
            )
            timed(steps, "checksum", lambda p=path: checksum_of(p))
            timed(steps, "guard", lambda f=film: guard(f, Wanted(size)))
            canvas, placement = timed(steps, "resize", lambda f=film: fit(f, size))
            image = canvas.astype(np.float32)[None, None] / np.float32(255.0)
            outputs = timed(steps, "network", lambda i=image: [runtime(i) for _ in range(views)])
            cells = outputs[0].maps[0, 0]
            timed(steps, "peak and boxes", lambda c=cells, p=placement: found_on(heatmap(c, p)))
        found[coding] = {name: 1000 * float(np.median(each)) for name, each in steps.items()}
        found[coding]["sum"] = sum(found[coding].values())
        least = found[coding]["decode and window"] + found[coding]["network"]
        found[coding]["decoding and network, % of it"] = 100 * least / found[coding]["sum"]
    return found


def found_on(heat: Any) -> Any:
    from greenstick.explanation.regions import regions

    return heat.peak, regions(heat, 0.5)


def timed(steps: dict[str, list[float]], name: str, step: Callable[[], Any]) -> Any:
    step()
    start = time.process_time()
    result = step()
    steps.setdefault(name, []).append(time.process_time() - start)
    return result


def peak_mib() -> float:
    """Return this program's greatest memory; what it was forked from does not count."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(way: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Read all films by one way, here; processor milliseconds a film (median), and MiB."""
    warnings.simplefilter("ignore")
    paths = {
        coding: [Path(path) for path in films]
        for coding, films in json.loads((folder / "films.json").read_text()).items()
    }
    if way == "shares":
        return shares(folder / "model", given.size, given.threads, paths)
    makers = {"usual": usual, "xrv": torchxrayvision, "ours": ours, "bf16": in_bfloat16}
    read = makers[way](folder / "model", given.size, given.threads)
    found: dict[str, Any] = {}
    for coding, films in paths.items():
        read(films[0])
        times = []
        for path in films * given.repeats:
            start = time.process_time()
            read(path)
            times.append(1000 * (time.process_time() - start))
        found[coding] = float(np.median(times))
    found["MiB"] = peak_mib()
    return found


def compare(given: argparse.Namespace) -> None:
    """Run each way in a process of its own, and print the tables."""
    from greenstick.models.card import Card, read_card
    from greenstick.models.checkpoint import save_checkpoint
    from greenstick.models.classifier import build_classifier
    from greenstick.models.settings import ClassifierSettings
    from greenstick.reading.reader import find_model

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if given.model:
            shutil.copytree(find_model(given.model), folder / "model")
            card = read_card(folder / "model")
            given.size = card.canvas_px
        else:
            settings = ClassifierSettings(backbone=given.backbone, weights="none")
            card = Card(name="benchmark", classifier=settings, canvas_px=given.size)
            save_checkpoint(folder / "model", build_classifier(settings).eval(), card)
        written = write_films(folder)
        (folder / "films.json").write_text(json.dumps(written, default=str))
        found = {}
        for way in (*WAYS, "shares"):
            command = [sys.executable, __file__, "--one", way, str(folder)]
            options = ["--size", str(given.size), "--threads", str(given.threads)]
            run = subprocess.run(
                [*command, *options, "--repeats", str(given.repeats)],
                capture_output=True,
                text=True,
                check=True,
            )
            found[way] = json.loads(run.stdout.splitlines()[-1])
    table = Table("processor ms a film", *CODINGS, "peak MiB")
    for way, name in WAYS.items():
        times = [f"{found[way][c]:.0f} ({1000 / found[way][c]:.1f}/s)" for c in CODINGS]
        table.add_row(name, *times, f"{found[way]['MiB']:.0f}")
    for way, other in (("usual", "ours"), ("xrv", "ours"), ("usual", "bf16")):
        ratios = [f"{found[way][c] / found[other][c]:.1f} times" for c in CODINGS]
        table.add_row(f"{WAYS[way][:3]} / {WAYS[other]}", *ratios, "")
    views = "each film and its mirror" if card.flip_average else "one view a film"
    said = f"{card.backbone} at {given.size} px, {views}, {given.threads} thread"
    Console(width=130).print(said, table)
    parts = Table("(c), each step alone, ms", *CODINGS)
    for step in found["shares"][CODINGS[0]]:
        parts.add_row(step, *(f"{found['shares'][c][step]:.1f}" for c in CODINGS))
    Console(width=130).print(parts)


def main() -> None:
    """Compare the ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", type=Path, help="a run's model; default: random weights")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], Path(given.one[1]), given)))
    else:
        compare(given)


if __name__ == "__main__":
    main()
