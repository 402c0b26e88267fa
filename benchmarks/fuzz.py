"""Read many damaged files, and see that none takes the process down or passes as a whole film.

Mutates DICOM files of every coding at hand, and JPEG, PNG and TIFF files: bytes changed, runs
overwritten, cut, doubled, lengths and sizes set to extremes; then prepares each as a reader does,
whole or at a reduced size, in processes that may be lost::

    python benchmarks/fuzz.py [--files 20000] [--seed 0] [--minutes 8]

A file that was cut short must never be read. Everything is seeded; a file that fails is kept.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from rich.console import Console
from rich.table import Table

from greenstick.radiographs.decoding import decoding
from greenstick.reading.preparing import Wish
from greenstick.reading.workers import Workers

REAL = Path(__file__).resolve().parents[1] / "../shared/data/dicom/radiographs"
#: All of a film's pixels, and what reduced decoding keeps of them.
WISHES = (Wish(96, picture_px=96), Wish(32, picture_px=96))
KEPT = Path("fuzz-failures")


def seeds() -> dict[str, tuple[str, bytes]]:
    """Return whole small films by name, with their ending, in every format and coding."""
    rows, columns = np.mgrid[0:160, 0:120]
    film = (2047 + 1500 * np.sin(rows / 9.0) * np.cos(columns / 13.0)).astype(np.uint16)
    few = (film >> 4).astype(np.uint8)
    found = {}
    for kind, options in (("JPEG", {"quality": 90}), ("PNG", {}), ("TIFF", {})):
        stream = BytesIO()
        Image.fromarray(few).save(stream, kind, **options)
        found[kind] = (f".{kind.lower()}", stream.getvalue())
    codings: dict[str, tuple[uid.UID, NDArray, bytes]] = {
        "JPEG 2000": (uid.JPEG2000Lossless, film, imagecodecs.jpeg2k_encode(
            film, 0, reversible=True, codecformat="j2k", bitspersample=12)),
        "HTJ2K": (uid.HTJ2KLossless, film, imagecodecs.htj2k_encode(film, reversible=True)),
        "JPEG-LS": (uid.JPEGLSLossless, film, imagecodecs.jpegls_encode(film)),
        "lossless JPEG": (uid.JPEGLosslessSV1, film, imagecodecs.jpeg8_encode(
            film, lossless=True, predictor=1, bitspersample=12)),
        "extended JPEG": (uid.JPEGExtended12Bit, film, imagecodecs.jpeg8_encode(
            film, level=95, bitspersample=12)),
        "baseline JPEG": (uid.JPEGBaseline8Bit, few, imagecodecs.jpeg8_encode(few, level=92)),
    }  # fmt: skip
    with decoding():
        for name, (syntax, values, frame) in codings.items():
            found[f"DICOM {name}"] = (".dcm", as_dicom(values, syntax, bytes(frame)))
        found["DICOM RLE"] = (".dcm", as_dicom(film, uid.RLELossless, b""))
        found["DICOM plain"] = (".dcm", as_dicom(film, uid.ExplicitVRLittleEndian, b""))
        found["DICOM implicit"] = (".dcm", as_dicom(film, uid.ImplicitVRLittleEndian, b""))
        found["DICOM deflated"] = (
            ".dcm", as_dicom(film, uid.DeflatedExplicitVRLittleEndian, b"")
        )  # fmt: skip
    return found


def as_dicom(values: NDArray, syntax: uid.UID, frame: bytes) -> bytes:
    """Return a CR file."""
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.file_meta.MediaStorageSOPClassUID = uid.ComputedRadiographyImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.SOPClassUID, file.SOPInstanceUID, file.Modality = uid.CTImageStorage, "1.2.3", "CR"
    file.PhotometricInterpretation, file.SamplesPerPixel = "MONOCHROME2", 1
    file.Rows, file.Columns = values.shape
    file.BitsAllocated = 8 * values.itemsize
    file.BitsStored = 12 if values.itemsize == 2 else 8
    file.HighBit, file.PixelRepresentation = file.BitsStored - 1, 0
    file.WindowCenter, file.WindowWidth = 2 ** (file.BitsStored - 1), 2**file.BitsStored
    file.PixelData = encapsulate([frame]) if frame else values.tobytes()
    file["PixelData"].VR = "OB" if frame else "OW"
    file["PixelData"].is_undefined_length = bool(frame)
    if syntax == uid.RLELossless:
        file.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        file.compress(uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    stream = BytesIO()
    file.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def change_bytes(content: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 20))):
        content[dice.randrange(len(content))] = dice.randrange(256)


def change_head(content: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 2, 5))):
        content[dice.randrange(min(len(content), 1200))] = dice.choice((0, 1, 127, 128, 254, 255))


def overwrite(content: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(content))
    end = min(len(content), start + dice.choice((4, 64, 2000)))
    content[start:end] = bytes([dice.choice((0, 255, 65))]) * (end - start)


def double(content: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(content))
    content[start:start] = content[start : start + dice.choice((8, 500))]


def drop(content: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(content))
    del content[start : start + dice.choice((1, 2, 16, 300))]


def cut(content: bytearray, dice: random.Random) -> None:
    del content[dice.randrange(len(content)) :]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    change_bytes, change_head, overwrite, double, drop, cut
)  # fmt: skip


def is_wrong(mutation: str, content: bytes, whole: bytes, read: bool) -> bool:
    """Say whether a file was read that must not be: one cut by more than its last bytes."""
    if not read or mutation != "cut":
        return False
    # What stands after the pixels (a delimiter, an end mark, TIFF's directory) may be missed.
    return len(whole) - len(content) > 16


def main() -> None:
    """Mutate, read, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    dice, workers = random.Random(given.seed), Workers(1, seconds_a_file=20.0)
    whole, counts, wrong = seeds(), Counter(), 0
    start, done = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        for done in range(1, given.files + 1):
            kind = dice.choice(list(whole))
            ending, content = whole[kind]
            damaged, mutation = bytearray(content), dice.choice(MUTATIONS)
            mutation(damaged, dice)
            path = Path(folder) / f"film{ending}"
            path.write_bytes(damaged)
            prepared = workers.prepare(path, dice.choice(WISHES))
            read = prepared.canvas is not None
            lost = "the decoder" in prepared.reason
            counts[kind, "lost" if lost else "read" if read else "not read"] += 1
            if lost or is_wrong(mutation.__name__, damaged, content, read):
                wrong += not lost
                KEPT.mkdir(exist_ok=True)
                name = f"{given.seed}-{done}-{kind.replace(' ', '-')}-{mutation.__name__}{ending}"
                (KEPT / name).write_bytes(damaged)
            if time.monotonic() - start > 60 * given.minutes:
                break
    workers.close()
    seconds = time.monotonic() - start
    table = Table("film", "not read", "read", "processes lost")
    for kind in whole:
        table.add_row(kind, *(str(counts[kind, end]) for end in ("not read", "read", "lost")))
    print(f"{done} files, seed {given.seed}, {seconds:.0f} s; cut and yet read: {wrong}")
    Console().print(table)


if __name__ == "__main__":
    main()
