"""What a report shows of a run's restorers."""

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.reports.page import write_report
from greenstick.reports.restorers import shown_restorers


def add_restorer(run: Path, name: str) -> Path:
    folder = run / "restorers" / name
    folder.mkdir(parents=True)
    errors = {"error": [0.031, 0.0214], "smooth_error": [0.05, 0.05]}
    pl.DataFrame({"step": [200, 400], "spread": [0.8, 0.9], **errors}).write_parquet(
        folder / "history.parquet"
    )
    Image.new("L", (256, 512), 90).save(folder / "restored.png")
    return folder


def test_a_report_shows_how_the_restorer_learned(draw_run: Any, tmp_path: Path) -> None:
    run = draw_run(tmp_path / "run")
    assert "Restorer of healthy bone" not in write_report(run).read_text(encoding="utf-8")
    folder = add_restorer(run, "restorer-abc")
    html = write_report(run).read_text(encoding="utf-8")
    assert "After 400 steps 0.0214; filled smoothly 0.0500." in html
    assert 'href="#restorers"' in html
    sheet = re.search(r'class="sheet" src="data:image/webp;base64,([^"]+)"', html)
    assert sheet is not None
    with Image.open(BytesIO(base64.b64decode(sheet[1]))) as picture:
        assert picture.size == (256, 512)
    (folder / "restored.png").unlink()
    assert 'class="sheet"' not in write_report(run).read_text(encoding="utf-8")


def test_four_are_shown_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    for number in range(6):
        folder = add_restorer(tmp_path, f"restorer-{number}")
    assert [one.name for one in shown_restorers(tmp_path)] == [
        f"restorer-{number}" for number in range(4)
    ]
    (tmp_path / "restorers" / "restorer-0" / "history.parquet").write_bytes(b"no table")
    with pytest.raises(GreenstickError, match="is damaged"):
        shown_restorers(tmp_path)
    assert folder.is_dir()
