"""How much memory reading takes as archives grow.

Runs ``greenstick read ARCHIVE -o results.parquet`` on archives of more and more small films (a
few distinct ones under many names, DICOM, JPEG and PNG, one in fifty of them cut short), with a
network that takes no time, in one thread, and samples the peak memory of the reading process and
of its decoder::

    python benchmarks/memory.py [--files 100 1000 10000 100000]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pydicom
from onnx import TensorProto
from PIL import Image
from pydicom import uid
from rich.console import Console
from rich.table import Table

SIDE_PX, CANVAS_PX, DISTINCT = 96, 32, 50


def write_model(folder: Path) -> Path:
    """Write a network that takes no time: means of cells, so that nothing but the way is left."""
    from greenstick.models.card import NETWORK, Card, write_card
    from greenstick.models.settings import ClassifierSettings

    tensor, helper = TensorProto.FLOAT, onnx.helper
    images = helper.make_tensor_value_info("images", tensor, ["n", 1, CANVAS_PX, CANVAS_PX])
    outputs = [
        helper.make_tensor_value_info("logits", tensor, ["n", 1]),
        helper.make_tensor_value_info("maps", tensor, ["n", 1, 4, 4]),
    ]
    side = [CANVAS_PX // 4] * 2
    nodes = [
        helper.make_node("AveragePool", ["images"], ["maps"], kernel_shape=side, strides=side),
        helper.make_node("ReduceMean", ["maps", "axes"], ["logits"], keepdims=0),
    ]
    axes = onnx.numpy_helper.from_array(np.int64([2, 3]), "axes")
    graph = helper.make_graph(nodes, "means", [images], outputs, [axes])
    folder.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), folder / NETWORK
    )
    settings = ClassifierSettings(weights="none")
    write_card(folder, Card(name="means", classifier=settings, canvas_px=CANVAS_PX))
    return folder


def films() -> list[tuple[str, bytes]]:
    """Return (ending, content) of the distinct films."""
    found = []
    for number in range(DISTINCT):
        dice = np.random.default_rng(number)
        values = np.clip(dice.normal(110, 40, (SIDE_PX, SIDE_PX)), 0, 255).astype(np.uint8)
        kind = ("dcm", "jpg", "png")[number % 3]
        content = as_dicom(values) if kind == "dcm" else as_picture(values, kind)
        found.append((kind, content[: len(content) // 2] if number == 1 else content))
    return found


def as_picture(values: np.ndarray, kind: str) -> bytes:
    stream = BytesIO()
    Image.fromarray(values).save(stream, {"jpg": "JPEG", "png": "PNG"}[kind])
    return stream.getvalue()


def as_dicom(values: np.ndarray) -> bytes:
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = uid.ComputedRadiographyImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.SOPClassUID, file.Modality = uid.ComputedRadiographyImageStorage, "CR"
    file.PhotometricInterpretation, file.SamplesPerPixel = "MONOCHROME2", 1
    file.Rows, file.Columns = values.shape
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = values.tobytes()
    stream = BytesIO()
    file.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write_archive(folder: Path, number: int) -> Path:
    """Write so many names of the films, a thousand a folder."""
    folder.mkdir()
    originals = []
    for place, (kind, content) in enumerate(films()):
        originals.append(folder.parent / f"original-{place}.{kind}")
        originals[-1].write_bytes(content)
    for place in range(number):
        series = folder / f"{place // 1000:04d}"
        series.mkdir(exist_ok=True)
        original = originals[place % DISTINCT]
        os.link(original, series / f"film{place:06d}{original.suffix}")
    return folder


def peaks_mib(process: subprocess.Popen) -> tuple[float, float]:
    """Wait for a process; return its greatest memory, and the greatest of one of its children."""
    own, child = 0.0, 0.0
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        try:
            own = max(own, high_water(process.pid))
            threads = Path(f"/proc/{process.pid}/task").iterdir()
            for thread in threads:
                for one in (thread / children.name).read_text().split():
                    child = max(child, high_water(int(one)))
        except (OSError, IndexError):  # it has just ended
            continue
        time.sleep(0.1)
    return own, child


def high_water(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Read archives of each size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[100, 1000, 10_000, 100_000])
    given = parser.parse_args()
    table = Table("files", "seconds", "films/s", "peak MiB", "its decoder's", "table MiB")
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as scratch:
        model = write_model(Path(scratch) / "model")
        for number in given.files:
            place = Path(scratch) / str(number)
            place.mkdir()
            archive, results = write_archive(place / "archive", number), place / "results.parquet"
            command = [sys.executable, "-m", "greenstick", "read", str(archive), "-o", str(results)]
            start = time.monotonic()
            process = subprocess.Popen(
                [*command, "--model", str(model), "--threads", "1", "--json"],
                stdout=subprocess.DEVNULL,
            )
            own, child = peaks_mib(process)
            assert process.returncode == 0
            seconds = time.monotonic() - start
            size = results.stat().st_size / 2**20
            row = (f"{seconds:.0f}", f"{number / seconds:.0f}", f"{own:.0f}", f"{child:.0f}")
            table.add_row(f"{number:,}", *row, f"{size:.1f}")
            console.print(table)


if __name__ == "__main__":
    main()
