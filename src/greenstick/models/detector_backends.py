"""Detectors of other libraries, each behind an extra: their names, licences, and what they need.

No torch here, and nothing of the libraries themselves: a card is quick to read, and the core
runs without them.
"""

from dataclasses import dataclass
from importlib.util import find_spec

from greenstick.errors import GreenstickError


@dataclass(frozen=True)
class Backend:
    """A library that brings detectors.

    Attributes
    ----------
    backbones
        What its networks are called in :class:`~greenstick.models.detector_settings.
        DetectorSettings`.
    package
        What is imported.
    extra
        Of ``pip install 'greenstick[...]'``.
    license
        Of its code, as an SPDX identifier; a card states it.
    note
        What a user is told of it before training; empty where there is nothing to heed.
    sets
        Whether its networks give a set of boxes, each once, instead of one box a cell: nothing
        is merged, and cells of a mirror image are not averaged.
    """

    backbones: tuple[str, ...]
    package: str
    extra: str
    license: str
    note: str = ""
    sets: bool = False


BACKENDS = (
    Backend(
        backbones=("yolov8n", "yolov8s", "yolov8m"),
        package="ultralytics",
        extra="yolo",
        license="AGPL-3.0",
        note="ultralytics is AGPL-3.0: who gives away or serves a program with it, or with a "
        "network made by it, must offer the whole source, or hold a licence of Ultralytics.",
    ),
    Backend(
        backbones=("dfine_n", "dfine_s", "dfine_m", "rtdetr_v2_r18", "dfine_test", "rtdetr_test"),
        package="transformers",
        extra="transformers",
        license="Apache-2.0",
        sets=True,
    ),
)


def backend_of(backbone: str) -> Backend | None:
    """Return the library that brings a network; None for one of Greenstick's own."""
    return next((one for one in BACKENDS if backbone in one.backbones), None)


def needed_backend(backbone: str) -> Backend:
    """Return the library that brings a network.

    Raises
    ------
    GreenstickError
        Where it is not installed.
    """
    backend = backend_of(backbone)
    assert backend is not None, backbone
    if find_spec(backend.package) is None:
        raise GreenstickError(
            f"{backbone} needs {backend.package} ({backend.license}), which is not installed.",
            remedy=f"pip install 'greenstick[{backend.extra}]'",
        )
    return backend
