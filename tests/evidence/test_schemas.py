import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from greenstick.decision.operating_points import choose_operating_point
from greenstick.evidence.evidence import evaluate
from greenstick.evidence.schemas import SCHEMAS, schema_text, write_schemas

DOCS = Path(__file__).parents[2] / "docs" / "schemas"
Draw = Callable[..., pl.DataFrame]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_in_the_documentation_are_up_to_date(name: str) -> None:
    """Else: python -m greenstick.evidence.schemas docs/schemas."""
    assert (DOCS / f"{name}.schema.json").read_text(encoding="utf-8") == schema_text(name)


def test_a_changed_version_is_seen(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    evidence = json.loads((tmp_path / "evidence.schema.json").read_text(encoding="utf-8"))
    version = evidence["properties"]["schema_version"]["default"]
    assert evidence["$id"] == f"greenstick/evidence/{version}"
    assert evidence["additionalProperties"] is False


def test_every_field_of_what_is_written_is_in_the_schema(scores_table: Draw) -> None:
    table = scores_table(100)
    point = choose_operating_point(table["label"], table["score"], chosen_on="valid")
    written = json.loads(
        evaluate(
            table, point=point, rows="test", replicates=20, subgroups=["site"]
        ).model_dump_json()
    )
    schema = json.loads(schema_text("evidence"))

    def check(value: object, of: dict[str, object]) -> None:
        if "$ref" in of:
            of = schema["$defs"][str(of["$ref"]).rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in of:
            assert set(value) <= set(of["properties"])
            assert set(of.get("required", [])) <= set(value)
            for key, inner in value.items():
                check(inner, of["properties"][key])
        elif isinstance(value, list) and "items" in of:
            for inner in value:
                check(inner, of["items"])

    check(written, schema)
