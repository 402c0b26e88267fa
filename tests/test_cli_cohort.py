"""The verbs on cohorts: what was asked for and cannot be is said before the work, or as it ends."""

from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

import greenstick.cohorts.audit
from greenstick.cli import app
from greenstick.errors import GreenstickError


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["cohort", *map(str, words)])


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    for n in range(20):
        path = folder / ("fractured" if n % 2 else "normal") / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)
    assert run("import", folder, "-o", tmp_path / "[old] cohort.parquet").exit_code == 0
    return tmp_path / "[old] cohort.parquet"


def test_a_title_is_shown_as_it_is(cohort: Path) -> None:
    assert "[old]" in run("show", cohort).output


@pytest.mark.parametrize(
    "options", [("--repeats", "3"), ("--folds", "5", "--fractions", "0.8", "0.1", "0.1")]
)
def test_options_of_another_kind_of_split_are_not_passed_over(
    cohort: Path, options: tuple[str, ...]
) -> None:
    written = cohort.with_name("split.parquet")
    assert run("split", cohort, "-o", written, *options).exit_code == 2
    assert not written.exists()


def test_an_audit_that_was_stopped_promises_nothing(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(greenstick.cohorts.audit, "audit_cohort", stopped)
    told = run("audit", cohort, "-o", cohort.with_name("audit")).exception
    assert isinstance(told, GreenstickError)
    assert "from the start" in told.remedy


def test_a_folder_that_cannot_be_made_is_told_before_the_audit(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(greenstick.cohorts.audit, "audit_cohort", made)
    cohort.with_name("audit").write_text("a file")
    assert isinstance(
        run("audit", cohort, "-o", cohort.with_name("audit")).exception, FileExistsError
    )
