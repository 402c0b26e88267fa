import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.reading.results import (
    COLUMNS,
    Box,
    Reading,
    Readings,
    json_schema,
    read_json,
    write_csv,
    write_json,
)

READ = Reading(
    path='sc"ans/a, b.png',
    status="read",
    probability=0.25,
    decision="no fracture",
    threshold=0.4,
    model="m",
    peak_x=10.5,
    peak_y=3.0,
    width=200,
    height=100,
    seconds=0.01,
    overlay="a_b.png",
)
NOT_READ = Reading(path="cut.jpg", status="not read", reason="It does not decode.", model="m")
ALL = Readings(model={"name": "m", "threshold": 0.4}, complete=True, readings=[READ, NOT_READ])


def test_json_comes_back_and_says_its_use(tmp_path: Path) -> None:
    write_json(ALL, tmp_path / "new" / "readings.json")
    assert read_json(tmp_path / "new" / "readings.json") == ALL
    document = json.loads((tmp_path / "new" / "readings.json").read_text())
    assert document["research_use"] == RESEARCH_USE
    assert document["readings"][1]["probability"] is None


def test_csv_has_a_row_a_reading_and_no_decision_for_what_was_not_read(tmp_path: Path) -> None:
    write_csv(ALL, tmp_path / "readings.csv")
    with (tmp_path / "readings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*COLUMNS, "research_use"]
    assert rows[0]["path"] == READ.path
    assert float(rows[0]["probability"]) == 0.25
    assert rows[1]["decision"] == rows[1]["probability"] == ""
    assert {row["research_use"] for row in rows} == {RESEARCH_USE}


def test_a_name_of_no_alphabet_leaves_files_that_any_program_reads(tmp_path: Path) -> None:
    name = b"fil\xffm.png".decode("utf-8", "surrogateescape")
    odd = Reading(path=name, status="not read", reason=f"{name} is an empty file.")
    results = Readings(model={}, complete=True, readings=[odd])
    write_csv(results, tmp_path / "readings.csv")
    write_json(results, tmp_path / "readings.json")
    with (tmp_path / "readings.csv").open(encoding="utf-8", newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == ["fil\\xffm.png"]
    (found,) = read_json(tmp_path / "readings.json").readings
    assert (found.path, found.reason) == ("fil\\xffm.png", "fil\\xffm.png is an empty file.")


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    write_json(ALL, tmp_path / "readings.json")
    with pytest.raises(TypeError):
        write_json(Readings(model={"x": object()}, complete=True, readings=[]), tmp_path / "r.json")
    assert [path.name for path in tmp_path.iterdir()] == ["readings.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"readings": [{"patch": 1}]}', "{}"])
def test_something_else_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "readings.json").write_text(content)
    with pytest.raises(GreenstickError, match="holds no readings"):
        read_json(tmp_path / "readings.json")


SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "readings.schema.json"


def test_the_documented_schema_is_that_of_the_code(tmp_path: Path) -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema()
    write_json(ALL, tmp_path / "readings.json")
    document = json.loads((tmp_path / "readings.json").read_text())
    assert set(document) == set(json_schema()["required"])
    fields = json_schema()["$defs"]["Reading"]["properties"]
    assert set(document["readings"][0]) == set(fields)


def test_boxes_and_warnings_come_back_and_stand_in_the_table(tmp_path: Path) -> None:
    box = Box(x=1.0, y=2.0, width=3.0, height=4.0, probability=0.5)
    found = replace(READ, boxes=(box,), warnings=("It is dark.", "It is small."))
    both = Readings(model={}, complete=True, readings=[found])
    write_json(both, tmp_path / "readings.json")
    assert read_json(tmp_path / "readings.json").readings == [found]
    write_csv(both, tmp_path / "readings.csv")
    with (tmp_path / "readings.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["boxes"], row["warnings"]) == ("1.0 2.0 3.0 4.0 0.5", "It is dark. It is small.")
