import multiprocessing
from pathlib import Path

import pytest

from greenstick.errors import GreenstickError
from greenstick.experiments.held import held


def hold(folder: Path, begun, go_on) -> None:
    with held(folder):
        begun.set()
        go_on.wait(60)


@pytest.fixture
def other(tmp_path):
    """Return a process that holds a folder, and the event that lets it end."""
    apart = multiprocessing.get_context("spawn")
    begun, go_on = apart.Event(), apart.Event()
    process = apart.Process(target=hold, args=(tmp_path / "runs" / "x", begun, go_on))
    process.start()
    assert begun.wait(60)
    yield process, go_on
    go_on.set()
    process.join()


def test_a_second_process_is_kept_out_until_the_first_is_done(other, tmp_path):
    process, go_on = other
    with (
        pytest.raises(GreenstickError, match="Another process works in"),
        held(tmp_path / "runs/x"),
    ):
        pass
    with held(tmp_path / "runs/y"):
        assert not (tmp_path / "runs/y").exists()
    go_on.set()
    process.join()
    with held(tmp_path / "runs/x"):
        pass


def test_a_killed_process_lets_go(other, tmp_path):
    process, _ = other
    process.kill()
    process.join()
    with held(tmp_path / "runs/x"):
        assert process.exitcode < 0


def test_further_processes_of_one_run_share_it(other, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with held(tmp_path / "runs/x"):
        assert other[0].is_alive()


def test_where_nothing_can_be_held_the_work_goes_on(tmp_path):
    (tmp_path / "file").touch()
    with held(tmp_path / "file" / "x"):
        assert (tmp_path / "file").is_file()
