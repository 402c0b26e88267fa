"""Tools that others wrote read our results: dicom3tools, dcmtk, Orthanc."""

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pydicom
import pytest
from PIL import Image

from greenstick.radiographs.opening import open_radiograph

from .conftest import Wrote

Maker = Callable[..., Path]
Writer = Callable[..., Wrote]

FILMS = Path(__file__).parents[4] / "shared/data/dicom/radiographs"
#: On a busy machine Orthanc takes long to start.
_START_SECONDS = 60


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("threshold", [0.1, 0.9, None])
@pytest.mark.parametrize("side", [None, "L"])
def test_dciodvfy_finds_no_error(
    threshold: float | None, side: str | None, make_film: Maker, write: Writer
) -> None:
    verify = tool("dciodvfy")
    film = make_film(ImageLaterality=side) if side else make_film()
    for path in write(film, threshold=threshold).files.values():
        said = output(verify, path)
        assert not [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]


def test_dciodvfy_finds_no_error_for_real_films(write: Writer) -> None:
    verify = tool("dciodvfy")
    films = sorted(FILMS.glob("*.dcm"))
    if not films:
        pytest.skip("there are no sample films")
    for film in films:
        for path in write(film, threshold=0.3).files.values():
            said = output(verify, path)
            assert not [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]


def test_dsrdump_shows_the_report(make_film: Maker, write: Writer) -> None:
    shown = output(tool("dsrdump"), "+Pl", write(make_film()).files["sr"])
    for words in (
        "Imaging Measurement Report",
        "Fracture of bone",
        "Probability of a fracture reaches the threshold",
        "POLYLINE",
        "Research use only",
    ):
        assert words in shown


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dcmtk_shows_the_film_by_our_presentation_state_as_we_read_it(
    photometric: str, make_film: Maker, write: Writer, tmp_path: Path
) -> None:
    render = tool("dcmp2pgm")
    film = make_film(PhotometricInterpretation=photometric)
    said = output(render, "-p", write(film).files["pr"], film, tmp_path / "shown.pgm")
    with Image.open(tmp_path / "shown.pgm") as image:
        shown = np.asarray(image, np.float64).ravel()
    assert "error" not in said.lower()
    ours = open_radiograph(film).pixels.ravel()
    assert np.corrcoef(shown, ours)[0, 1] > 0.999


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[str]:
    """Start Orthanc on a free port with a store of its own; give its address."""
    program = tool("Orthanc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "HttpPort": port,
        "HttpServerEnabled": True,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [program, tmp_path / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            yield _when_up(address, server)
        finally:
            server.terminate()


def _when_up(address: str, server: "subprocess.Popen[bytes]") -> str:
    patience = monotonic() + _START_SECONDS
    while monotonic() < patience:
        try:
            _get(f"{address}/system")
        except URLError:
            if server.poll() is not None:
                pytest.skip(f"Orthanc does not start: it ended with {server.returncode}")
            sleep(0.1)
        else:
            return address
    pytest.skip(f"Orthanc does not answer within {_START_SECONDS} seconds")


def _get(url: str, content: bytes | None = None) -> bytes:
    with urlopen(Request(url, data=content), timeout=10) as answer:
        return bytes(answer.read())


def test_orthanc_takes_results_into_the_films_study_and_gives_them_back(
    orthanc: str, make_film: Maker, write: Writer
) -> None:
    film = make_film()
    files = [film, *write(film).files.values()]
    for path in (*files, *files):  # twice: nothing is doubled
        stored = json.loads(_get(f"{orthanc}/instances", path.read_bytes()))
        back = pydicom.dcmread(
            pydicom.filebase.DicomBytesIO(_get(f"{orthanc}/instances/{stored['ID']}/file"))
        )
        sent = pydicom.dcmread(path)
        assert back.SOPInstanceUID == sent.SOPInstanceUID
        assert back.get("PixelData") == sent.get("PixelData")
    (study,) = json.loads(_get(f"{orthanc}/studies?expand"))
    assert len(study["Series"]) == 4
    assert len(json.loads(_get(f"{orthanc}/instances"))) == 4
