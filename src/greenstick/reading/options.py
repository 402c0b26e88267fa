"""What may be chosen of a reader; said once for all that open one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from greenstick.reading.runtime import Device


class ReaderOptions(TypedDict, total=False):
    """Keywords of :class:`~greenstick.reading.reader.Reader`, and of all that open one.

    Attributes
    ----------
    threads
        How many may decode, and compute; 0, as by default: all cores.
    accept
        Modalities of DICOM files to read besides those of plain radiographs, of
        :data:`greenstick.radiographs.dicom.BY_CHOICE`.
    boxes_from
        A detector's folder: boxes are then its own, as far as the decision allows any.
    region_from
        For a model that looks at a part of each image: the folder of a detector that finds it, in
        place of its own; or ``"image"`` for images that are cut to it already.
    device
        What the network runs on, the CPU by default; see
        :class:`~greenstick.reading.runtime.Runtime`.
    """

    threads: int
    accept: Sequence[str]
    boxes_from: Path | str | None
    region_from: Path | str | None
    device: Device
