"""The part to look at, joined from a COCO file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.errors import GreenstickError


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for kind, name in (("fractured", "a.png"), ("normal", "b.png"), ("normal", "c.png")):
        (tmp_path / "scans" / kind).mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((40, 50), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "scans" / kind / name)
    return tmp_path / "scans"


def coco(path: Path, boxes: list[tuple[int, int, list[float]]]) -> Path:
    """Write a COCO file: each box as number of its image, of its class, and sides."""
    content: dict[str, Any] = {
        "images": [
            {"id": n, "file_name": name, "width": 50, "height": 40}
            for n, name in enumerate(["a.png", "b.png", "elsewhere.png"])
        ],
        "categories": [{"id": 0, "name": "joint"}, {"id": 1, "name": "plate"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": kind, "bbox": box}
            for n, (image, kind, box) in enumerate(boxes)
        ],
    }
    path.write_text(json.dumps(content))
    return path


BOXES = [
    (0, 0, [5.0, 6.0, 10.0, 12.0]),
    (0, 0, [20.0, 2.0, 4.0, 8.0]),
    (0, 1, [40.0, 30.0, 5.0, 5.0]),
    (1, 0, [1.0, 2.0, 3.0, 4.0]),
]


def regions(scans: Path, **settings: Any) -> dict[str, tuple[float, ...]]:
    table = import_cohort(scans, import_settings(**settings)).table
    columns = ("region_x", "region_y", "region_width", "region_height")
    return {row[0].rpartition("/")[2]: row[1:] for row in table.select("image", *columns).rows()}


def test_an_image_listed_twice_is_refused(scans: Path) -> None:
    file = coco(scans.parent / "joints.json", BOXES)
    content = json.loads(file.read_text())
    content["images"][2]["file_name"] = "fractured/a.png"
    file.write_text(json.dumps(content))
    with pytest.raises(GreenstickError, match=r"lists .*fractured/a\.png twice"):
        regions(scans, regions=file)


def test_the_box_around_all_of_a_class_is_the_region(scans: Path) -> None:
    file = coco(scans.parent / "joints.json", BOXES)
    found = regions(scans, regions=file, region_class="joint")
    assert found["a.png"] == (5.0, 2.0, 19.0, 16.0)
    assert found["b.png"] == (1.0, 2.0, 3.0, 4.0)
    assert found["c.png"] == (None,) * 4
    assert regions(scans, regions=file)["a.png"] == (5.0, 2.0, 40.0, 33.0)
    notes = import_cohort(scans, import_settings(regions=file)).notes
    assert any("1 images have no region" in note for note in notes)


def test_what_does_not_fit_is_told(scans: Path) -> None:
    file = coco(scans.parent / "joints.json", BOXES)
    with pytest.raises(GreenstickError, match="no boxes of the class 'knee'"):
        regions(scans, regions=file, region_class="knee")
    content = json.loads(file.read_text())
    content["images"] = content["images"][2:]
    content["annotations"] = []
    file.write_text(json.dumps(content))
    with pytest.raises(GreenstickError, match="None of the 1 images"):
        regions(scans, regions=file)
