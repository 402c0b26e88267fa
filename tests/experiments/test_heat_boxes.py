"""Boxes of heat maps, judged from a run's tables."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from greenstick.cohorts.cohort import make_cohort
from greenstick.evidence.detection import read_detection
from greenstick.experiments.heat_boxes import boxes_of, judge_run
from greenstick.explanation.activation_maps import heatmap
from greenstick.radiographs.canvas import place
from greenstick.reports.detection_page import heat_boxes


def test_each_hot_part_has_a_box_with_its_greatest_probability() -> None:
    cells = np.full((8, 8), -6.0, np.float32)
    cells[1, 1], cells[6, 5] = 3.0, 1.0
    found = boxes_of("a.png", heatmap(cells, place((640, 640), 128)), 0.5)
    assert found["image"].to_list() == ["a.png", "a.png"]
    assert found["score"].to_list() == pytest.approx([0.953, 0.731], abs=0.03)
    middle = found.select(pl.col("x") + pl.col("width") / 2, pl.col("y") + pl.col("height") / 2)
    np.testing.assert_allclose(middle.rows(), [(120, 120), (440, 520)], atol=4)
    assert boxes_of("a.png", heatmap(cells, place((640, 640), 128)), 0.99).is_empty()


def test_they_are_judged_against_true_boxes_of_any_class(tmp_path: Path) -> None:
    def box(x: float, name: str) -> dict[str, float | str]:
        return {"x": x, "y": 0.0, "width": 10.0, "height": 10.0, "class": name}

    rows = make_cohort(
        pl.DataFrame(
            {
                "image": ["a", "b", "c", "d"],
                "label": [1, 1, 0, 1],
                "boxes": [[box(0, "hand")], [box(0, "leg")], [], None],
            }
        ),
        tmp_path,
    ).table
    # a: about a third of the box; b: all of it; c: a false one; d: a fracture nobody drew
    found = [("a", 5.0, 0.9), ("b", 0.0, 0.8), ("c", 0.0, 0.7), ("d", 0.0, 0.6)]
    pl.DataFrame(
        [(image, x, 0.0, 10.0, 10.0, score) for image, x, score in found],
        schema=["image", "x", "y", "width", "height", "score"],
        orient="row",
    ).write_parquet(tmp_path / "heat_boxes.parquet")
    judge_run(tmp_path, rows, replicates=0)
    evidence = read_detection(tmp_path / "heat_boxes.json")
    assert evidence.estimate("mAP@0.3").value == pytest.approx(1.0)
    assert evidence.estimate("mAP@0.5").value == pytest.approx(0.25, abs=0.01)
    assert evidence.estimate("recall").value == 0.5
    assert evidence.estimate("false positives an image").value == pytest.approx(2 / 3)
    assert "fractures-not-drawn" in {finding.code for finding in evidence.findings}
    shown = heat_boxes(evidence)
    assert shown is not None
    assert "operating point" in shown.froc
    assert heat_boxes(None) is None
