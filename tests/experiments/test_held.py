import subprocess
import sys
from pathlib import Path

import pytest

from greenstick.errors import GreenstickError
from greenstick.experiments.held import held

WAIT = """
import sys
from pathlib import Path
from greenstick.experiments.held import held

with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Return a process that holds a folder until its input is closed."""
    words = [sys.executable, "-c", WAIT, str(tmp_path / "runs" / "x")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


def test_a_second_process_is_kept_out_until_the_first_is_done(other, tmp_path):
    with (
        pytest.raises(GreenstickError, match="Another process works in"),
        held(tmp_path / "runs/x"),
    ):
        pass
    with held(tmp_path / "runs/y"):
        assert not (tmp_path / "runs/y").exists()
    other.stdin.close()
    assert other.wait(60) == 0
    with held(tmp_path / "runs/x"):
        assert not Path(tmp_path / "runs/x").exists()


def test_a_killed_process_lets_go(other, tmp_path):
    other.kill()
    assert other.wait(60) < 0
    with held(tmp_path / "runs/x"):
        assert not (tmp_path / "runs/x").exists()


def test_further_processes_of_one_run_share_it(other, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with held(tmp_path / "runs/x"):
        assert other.poll() is None


def test_where_nothing_can_be_held_the_work_goes_on(tmp_path):
    (tmp_path / "file").touch()
    with held(tmp_path / "file" / "x"):
        assert (tmp_path / "file").is_file()
