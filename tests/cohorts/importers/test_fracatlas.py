"""FracAtlas by the command that docs/cohorts.md gives."""

import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.cohorts.cohort import Cohort, read_cohort

DOCUMENT = Path(__file__).parents[3] / "docs" / "cohorts.md"


@pytest.fixture(scope="module")
def cohort(fracatlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Return what the documented command makes."""
    block = re.search(
        r"```bash\n(greenstick cohort import \S*fracatlas.*?)```", DOCUMENT.read_text(), re.S
    )
    assert block, "docs/cohorts.md gives the command"
    output = tmp_path_factory.mktemp("fracatlas") / "fracatlas.parquet"
    words = shlex.split(block.group(1).replace("\\\n", " "))[1:]
    words = [word.replace("../shared/data/fracatlas", str(fracatlas)) for word in words]
    words[words.index("fracatlas.parquet")] = str(output)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return read_cohort(output)


def test_labels_and_boxes(cohort: Cohort) -> None:
    table = cohort.table
    assert table.height == 3670
    assert table["label"].sum() == 656
    assert table["boxes"].list.len().sum() == 855
    assert table["boxes"].null_count() == 0
    assert (table.filter(label=1)["boxes"].list.len() > 0).all()
    assert all(path.is_file() for path in cohort.paths()[::50])


def test_split_by_image_number(cohort: Cohort) -> None:
    number = pl.col("image").str.extract(r"IMG(\d+)\.jpg$").cast(int)
    table = cohort.table.with_columns(number.alias("n"))
    assert table.filter(pl.col("n") < 3297)["split"].unique().to_list() == ["train"]
    assert table.filter(pl.col("n") >= 3714)["split"].unique().to_list() == ["test"]
    assert table.filter(pl.col("n").is_between(3297, 3713))["split"].null_count() == (
        table.filter(pl.col("n").is_between(3297, 3713)).height
    )


def test_blocks_of_twenty_stand_for_patients(cohort: Cohort) -> None:
    number = pl.col("image").str.extract(r"IMG(\d+)\.jpg$").cast(int)
    blocks = cohort.table.group_by("patient").agg(
        number.min().alias("first"), number.max().alias("last"), pl.col("split").n_unique()
    )
    assert (blocks["first"] // 20 == blocks["last"] // 20).all()
    assert blocks.height == cohort.table.select(number // 20).n_unique()


def test_body_part_and_view(cohort: Cohort) -> None:
    counts = dict(cohort.table.group_by("body_part").len().rows())
    assert counts == {"leg": 1926, "hand": 1130, "mixed": 351, "hip": 173, "shoulder": 90}
    assert set(cohort.table["view"]) == {"frontal", "lateral", "oblique", "several"}
