"""Boxes from files: what is understood, and what is refused with a remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from greenstick.cohorts.cohort import make_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import read_boxes, read_predictions, read_truth
from greenstick.findings import Severity

Save = Callable[[Any], Path]


def coco() -> dict[str, Any]:
    return {
        "images": [
            {"id": 7, "file_name": "b/two.png", "width": 200, "height": 100, "patient": "p"},
            {"id": 3, "file_name": "a/one.png", "width": 200, "height": 100, "patient": "p"},
            {"id": 9, "file_name": "three.png", "width": 200, "height": 100},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "bbox": [10, 20, 30, 40], "area": 900},
            {"id": 2, "image_id": 3, "category_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 1},
        ],
        "categories": [{"id": 1, "name": "hand"}, {"id": 2, "name": "hip"}],
    }


def results() -> list[dict[str, Any]]:
    return [
        {"image_id": 3, "category_id": 1, "bbox": [1, 2, 30, 4], "score": 0.5},
        {"image_id": 7, "category_id": 2, "bbox": [10, 20, 30, 40], "score": 0.9},
    ]


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    def save(content: Any) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return save


def test_coco_is_read_in_the_order_of_ids(saved: Save) -> None:
    read = read_boxes(saved(coco()), saved(results()))
    rows = read.rows
    assert rows.images == ("a/one.png", "b/two.png", "three.png")
    assert rows.patients.tolist() == [1, 1, 0]
    assert rows.classes == ("hand", "hip")
    assert rows.truth.images.tolist() == [1, 0]
    assert rows.truth.areas.tolist() == [900, 2500]
    assert rows.truth.crowds.tolist() == [False, True]
    assert rows.predictions.classes.tolist() == [0, 1]
    assert [f.code for f in read.findings] == ["images-without-predictions"]


@pytest.mark.parametrize("name", ["b/two.png", "two.png", "two", 7])
def test_an_image_goes_by_any_of_its_names(name: str | int, saved: Save) -> None:
    truth = read_truth(saved(coco()))
    one = results()[1] | {"image_id": name, "category_id": "hip"}
    assert read_predictions(saved([one]), truth).boxes.images.tolist() == [1]


def test_a_table_of_predictions_is_read(saved: Save, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("image,x,y,width,height,score,class\ntwo.png,1,2,3,4,0.5,hip\n")
    boxes = read_predictions(table, read_truth(saved(coco()))).boxes
    assert boxes.xywh.tolist() == [[1, 2, 3, 4]]
    assert boxes.classes.tolist() == [1]


def test_all_classes_may_be_taken_for_one(saved: Save) -> None:
    odd = [one | {"category_id": 99} for one in results()]
    rows = read_boxes(saved(coco()), saved(odd), any_class=True).rows
    assert rows.classes == ("any",)
    assert rows.truth.classes.tolist() == rows.predictions.classes.tolist() == [0, 0]


def test_readings_of_a_classifier_are_predictions(saved: Save) -> None:
    truth = coco() | {"categories": [{"id": 1, "name": "fracture"}]}
    truth["annotations"] = truth["annotations"][1:]
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "probability": 0.7}
    content = {"readings": [{"path": "/far/a/one.png", "boxes": [box]}, {"path": "x", "boxes": []}]}
    boxes = read_boxes(saved(truth), saved(content)).rows.predictions
    assert (boxes.images.tolist(), boxes.scores.tolist()) == ([0], [0.7])
    assert boxes.xywh.tolist() == [[1, 2, 3, 4]]


def test_no_predictions_is_an_empty_list(saved: Save) -> None:
    assert len(read_boxes(saved(coco()), saved([])).rows.predictions) == 0


def write(table: dict[str, Any], tmp_path: Path) -> Path:
    cohort = make_cohort(pl.DataFrame(table), tmp_path)
    write_cohort(cohort, tmp_path / "cohort.parquet")
    return tmp_path / "cohort.parquet"


def test_a_cohort_is_a_truth(tmp_path: Path, saved: Save) -> None:
    box = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "class": None}
    path = write(
        {
            "image": ["a.png", "b.png", "c.png", "d.png"],
            "label": [1, 0, 1, 1],
            "boxes": [[box, box], None, None, [box]],
            "split": ["test", "test", "test", "valid"],
        },
        tmp_path,
    )
    truth = read_truth(path, split="test")
    assert truth.images == ("a.png", "b.png")
    assert truth.boxes.images.tolist() == [0, 0]
    assert truth.classes == ("fracture",)
    assert [f.code for f in truth.findings] == ["fractures-not-drawn"]
    both = [{"image_id": name, "bbox": [1, 2, 3, 4], "score": 0.5} for name in ("a", "d")]
    read = read_boxes(path, saved(both), split="test")
    assert len(read.rows.predictions) == 1
    told = {finding.code: finding.severity for finding in read.findings}
    assert told["unknown-images"] is Severity.NOTE
    with pytest.raises(GreenstickError, match="no image of split 'train'"):
        read_truth(path, split="train")


def edited(**changes: Any) -> dict[str, Any]:
    content = coco()
    content["annotations"][0] |= changes
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (edited(bbox=[10, 20, 0, 40]), "1 true boxes have no area, first on b/two.png"),
        (edited(bbox=[50, 60, -40, -40]), "have no area, or corners in the wrong order"),
        (edited(bbox=None), "Annotation 0 .* is no box"),
        (edited(bbox=None, segmentation=[[1, 2, 3]]), "Annotation 0 .* is no box"),
        (edited(category_id=[1]), "Annotation 0 .* is no box"),
        (
            coco() | {"images": [coco()["images"][0] | {"width": "wide"}, *coco()["images"][1:]]},
            "width or height of image .* is no number",
        ),
        (edited(bbox=[10, 20, 30]), "Annotation 0 .* is no box"),
        (edited(bbox=[300, 20, 30, 40]), "1 true boxes lie outside their image"),
        (edited(category_id=5), "1 true boxes are of classes that .* does not list, first 5"),
        (edited(image_id=5), "1 true boxes are of images that .* does not list, first 5"),
        (coco() | {"images": coco()["images"] + coco()["images"][:1]}, "gives 1 times an id"),
        (
            coco() | {"images": [*coco()["images"], {"id": 8, "file_name": "three.png"}]},
            "lists 1 images twice",
        ),
        (
            coco() | {"categories": [{"id": 1, "name": "hip"}, {"id": 2, "name": "hip"}]},
            "lists 1 categories twice, by the same name",
        ),
        (coco() | {"images": []}, "lists no image"),
        ({"images": []}, "no COCO file of true boxes"),
        (results(), "no COCO file of true boxes"),
        (coco() | {"images": [{"file_name": "x"}]}, "an entry without an id"),
    ],
)
def test_faulty_truth_is_refused_on_one_line(content: Any, said: str, saved: Save) -> None:
    with pytest.raises(GreenstickError, match=said) as refused:
        read_truth(saved(content))
    assert refused.value.remedy
    assert "\n" not in str(refused.value)


def test_an_outline_stands_in_for_a_box(saved: Save) -> None:
    truth = read_truth(saved(edited(bbox=[], segmentation=[[10, 20, 50, 20, 50, 60]], area=None)))
    assert [10.0, 20.0, 40.0, 40.0] in truth.boxes.xywh.tolist()


@pytest.mark.parametrize("area", [None, 0, -1, float("nan")])
def test_a_box_of_no_stated_area_has_its_own(area: float | None, saved: Save) -> None:
    assert read_truth(saved(edited(area=area))).boxes.areas[0] == 30 * 40


def test_fields_of_coco_images_may_be_judged_by(saved: Save) -> None:
    content = coco()
    content["images"][1]["body_part"] = "hip"
    read = read_boxes(saved(content), saved(results()), by=["body_part"])
    assert sorted(map(str, read.columns["body_part"])) == ["None", "None", "hip"]
    with pytest.raises(GreenstickError, match="no column 'view' to judge by"):
        read_boxes(saved(content), saved(results()), by=["view"])


def test_images_with_faulty_boxes_can_be_left_out(saved: Save) -> None:
    truth = read_truth(saved(edited(bbox=[10, 20, 0, 40])), drop_faulty=True)
    assert truth.images == ("a/one.png", "three.png")
    assert truth.patients.tolist() == [1, 0]
    assert truth.boxes.images.tolist() == [0]
    assert truth.findings[-1].code == "faulty-true-boxes"


def prediction(**changes: Any) -> list[dict[str, Any]]:
    return [results()[0] | changes]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (prediction(image_id=99), "1 predicted boxes are on 1 images that the truth lacks"),
        (prediction(category_id=99), "class not in the list, first '99'"),
        (prediction(bbox=[1, 2, -3, 4]), "negative width or height, first on a/one.png"),
        (prediction(bbox=[0.1, 0.2, 0.3, 0.4]), "shares of the sides"),
        (prediction(score=float("nan")), "lack a number or a score"),
        ([{"image_id": 3}], "holds no COCO results"),
        ("nothing", "holds no COCO results"),
    ],
)
def test_faulty_predictions_are_refused(content: Any, said: str, saved: Save) -> None:
    truth = read_truth(saved(coco()))
    with pytest.raises(GreenstickError, match=said):
        read_predictions(saved(content), truth)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (prediction(bbox=[1, 2, 0, 4]), "predictions-without-area"),
        (prediction() * 2, "predictions-twice"),
        (prediction(bbox=[180, 90, 180, 90]), "boxes-beyond-image"),
    ],
)
def test_odd_predictions_are_kept_and_told(content: Any, code: str, saved: Save) -> None:
    read = read_predictions(saved(content), read_truth(saved(coco())))
    assert code in {f.code for f in read.findings}
    assert len(read.boxes) == len(content)


def test_unknown_images_can_be_skipped(saved: Save) -> None:
    truth = read_truth(saved(coco()))
    read = read_predictions(saved(prediction(image_id=99) + results()), truth, skip_unknown=True)
    assert len(read.boxes) == 2
    assert read.findings[0].code == "unknown-images"


def test_unreadable_files_are_refused(tmp_path: Path, saved: Save) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "table.csv").write_text("image,x\na,1\n")
    truth = read_truth(saved(coco()))
    with pytest.raises(GreenstickError, match="cannot be read as JSON"):
        read_truth(tmp_path / "broken.json")
    with pytest.raises(GreenstickError, match="There are no true boxes"):
        read_truth(tmp_path / "absent.json")
    with pytest.raises(GreenstickError, match="There are no predictions"):
        read_predictions(tmp_path / "absent.json", truth)
    with pytest.raises(GreenstickError, match="have no column 'y'"):
        read_predictions(tmp_path / "table.csv", truth)
    with pytest.raises(GreenstickError, match="has no splits"):
        read_truth(saved(coco()), split="test")


def test_iou_of_a_crowd_is_the_share_within() -> None:
    from greenstick.evidence.detection.matching import iou

    box, crowd = np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 0, 20, 20]])
    assert iou(box, crowd, np.array([False]))[0, 0] == pytest.approx(0.25)
    assert iou(box, crowd, np.array([True]))[0, 0] == pytest.approx(1.0)
