"""The documentation's links lead somewhere, and its commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenstick.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _commands(page: Path) -> list[list[str]]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```(?:bash|console|sh)?\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("greenstick ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in _commands(page):
        grouped = words[1] in ("cohort", "experiment", "detector") or words[1:3] == [
            "evaluate",
            "boxes",
        ]
        verb = words[1:3] if grouped else words[1:2]
        result = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0, words
        options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        assert [option for option in options if option not in result.output] == [], words
