"""Files that are there whole or not at all."""

import errno
from pathlib import Path

import polars as pl
import pytest

from greenstick.files import write_whole


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left") as told:
        write_whole(path, lambda _: pl.DataFrame({"a": [1]}).write_parquet("/dev/full"))
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_kind_stays_what_it_is(tmp_path: Path) -> None:
    def fails(_: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "t", fails)
