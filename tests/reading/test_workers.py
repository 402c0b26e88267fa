import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenstick.reading.preparing import Wish, prepare
from greenstick.reading.workers import Workers

WISH = Wish(96, picture_px=64)


def test_a_process_prepares_as_this_one_does(scans: Path) -> None:
    workers = Workers(1)
    for path in (scans / "dark.png", scans / "cut.jpg", scans / "none.png"):
        there, here = workers.prepare(path, WISH), prepare(path, WISH)
        assert (there.reason, there.warnings, there.checksum) == (
            here.reason, here.warnings, here.checksum,
        )  # fmt: skip
        if here.canvas is None:
            assert there.canvas is None
            continue
        np.testing.assert_array_equal(there.canvas, here.canvas)
        np.testing.assert_array_equal(there.picture, here.picture)
        assert there.placement == here.placement
    workers.close()


def test_any_alphabet_and_no_alphabet_at_all(scans: Path) -> None:
    workers = Workers(1)
    content = (scans / "dark.png").read_bytes()
    for name in (
        "скан левый.png",
        "左手\n.png",
        "ยน.png",
        b"fil\xffm.png".decode(errors="surrogateescape"),
    ):
        (scans / name).write_bytes(content)
        assert workers.prepare(scans / name, WISH).canvas is not None
    workers.close()


def test_a_lost_process_costs_one_file(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(1)
    assert not workers.prepare(scans / "dark.png", WISH).reason
    (process,) = workers._running
    os.kill(process._popen.pid, signal.SIGKILL)
    lost = workers.prepare(scans / "bright.jpg", WISH)
    assert "the decoder crashed" in lost.reason
    assert lost.canvas is None
    assert workers.lost == 1
    assert not workers.prepare(scans / "bright.jpg", WISH).reason
    workers.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe with a name is needed")
def test_what_takes_too_long_is_ended(scans: Path) -> None:
    workers = Workers(1, seconds_a_file=15.0)
    assert not workers.prepare(scans / "dark.png", WISH).reason  # has started
    workers._seconds = 0.3
    (process,) = workers._running
    os.kill(process._popen.pid, signal.SIGSTOP)
    start = time.monotonic()
    late = workers.prepare(scans / "dark.png", WISH)
    assert "took more than" in late.reason
    assert time.monotonic() - start < 5
    workers.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_what_needs_too_much_memory_is_refused_and_the_next_is_not(
    scans: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((9000, 12000), np.uint8)).save(tmp_path / "vast.png")
    workers = Workers(1, memory_bytes=500 * 2**20)
    vast = workers.prepare(tmp_path / "vast.png", WISH)
    assert any(word in vast.reason for word in ("memory", "MemoryError", "crashed"))
    assert not workers.prepare(scans / "dark.png", WISH).reason
    workers.close()


def test_processes_end_with_their_owner(scans: Path) -> None:
    workers = Workers(1)
    workers.prepare(scans / "dark.png", WISH)
    (process,) = workers._running
    del workers
    assert process._popen.wait(10) is not None
