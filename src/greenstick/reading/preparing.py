"""From a file to what the network and a picture need of it, or why there is none."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.radiographs.canvas import Placement, fit
from greenstick.radiographs.opening import open_radiograph, open_region
from greenstick.radiographs.radiograph import Radiograph
from greenstick.radiographs.region import Region
from greenstick.reading.guard import Wanted, guard, refusal, warnings_of


@dataclass(frozen=True)
class Wish:
    """How files are to be prepared.

    Attributes
    ----------
    canvas_px
        Side of the network's input.
    picture_px
        Longer side of the picture that is kept for drawing, at most; 0: none is.
    accept
        Modalities to read besides plain radiography's.
    boxes_px
        Side of a detector's input; 0: there is none.
    region
        What of the image the network's input shows; None: all.
    """

    canvas_px: int
    picture_px: int = 0
    accept: tuple[str, ...] = ()
    boxes_px: int = 0
    region: Region | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A file as the network takes it, or the reason why it is not read.

    Attributes
    ----------
    path
        The file.
    reason
        Why it must not be read; empty where it may.
    warnings
        What a reader of the answer should know, a line each.
    checksum
        BLAKE2b of 16 bytes over the file's content, in hexadecimal; empty where it has none.
    decoder
        Which decoder gave its pixels.
    seconds
        Spent on it.
    canvas, placement
        As :func:`greenstick.radiographs.canvas.fit` gives them; None where it is not read.
    picture
        uint8 of shape (height, width) for drawing; None where none is wanted.
    boxes_canvas
        As ``canvas``, of the detector's side; None where none is wanted.
    """

    path: Path
    reason: str = ""
    warnings: tuple[str, ...] = ()
    checksum: str = ""
    decoder: str = ""
    seconds: float = 0.0
    canvas: NDArray[np.uint8] | None = None
    placement: Placement | None = None
    picture: NDArray[np.uint8] | None = None
    boxes_canvas: NDArray[np.uint8] | None = None


def prepare(path: Path, wish: Wish) -> Prepared:
    """Open, guard and fit one file. Never raises because of what the file is."""
    start = perf_counter()
    checksum = ""
    try:
        radiograph = open_region(path, wish.canvas_px, wish.region, accept=wish.accept)
        for_boxes = _for_boxes(radiograph, path, wish)
        checksum = checksum_of(path)
    except GreenstickError as error:
        return Prepared(path, error.message, seconds=perf_counter() - start)
    except MemoryError:
        reason = f"{path.name} needs more memory than a decoder may take."
        return Prepared(path, reason, seconds=perf_counter() - start)
    except Exception as error:  # gone meanwhile, or broken in a way of its own
        reason = f"{path.name} does not decode ({type(error).__name__})."
        return Prepared(path, reason, seconds=perf_counter() - start)
    findings = guard(radiograph, Wanted(wish.canvas_px, wish.accept, wish.region))
    refused = refusal(findings)
    if refused is not None:
        reason = f"{path.name}: {refused.message}"
        return Prepared(path, reason, checksum=checksum, seconds=perf_counter() - start)
    canvas, placement = fit(radiograph, wish.canvas_px, wish.region)
    return Prepared(
        path,
        boxes_canvas=fit(for_boxes, wish.boxes_px)[0] if wish.boxes_px else None,
        warnings=warnings_of(findings),
        checksum=checksum,
        decoder=radiograph.decoder,
        canvas=canvas,
        placement=placement,
        picture=_picture(radiograph, wish.picture_px) if wish.picture_px else None,
        seconds=perf_counter() - start,
    )


def _for_boxes(radiograph: Radiograph, path: Path, wish: Wish) -> Radiograph:
    """Return the radiograph decoded as the detector was trained on it."""
    longer = max(radiograph.original_size_px)
    whole = max(radiograph.pixels.shape) == longer
    same = wish.boxes_px == wish.canvas_px and wish.region is None
    if not wish.boxes_px or same or (whole and longer < 2 * wish.boxes_px):
        return radiograph  # for its canvas, too, nothing would be decoded at less than its size
    return open_radiograph(path, at_least_px=wish.boxes_px, accept=wish.accept)


def checksum_of(path: Path) -> str:
    """Return the checksum of a file's content."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _picture(radiograph: Radiograph, longest_px: int) -> NDArray[np.uint8]:
    levels = np.multiply(radiograph.pixels, np.float32(255.0))
    image = Image.fromarray(np.rint(levels, out=levels).astype(np.uint8))
    factor = longest_px / max(image.size)
    if factor < 1.0:
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)
