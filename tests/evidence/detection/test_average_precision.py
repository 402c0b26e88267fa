"""Average precision against pycocotools, and under weights against patients drawn again."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from greenstick.evidence.detection import BoxRows, PredictedBoxes, TrueBoxes
from greenstick.evidence.detection.average_precision import (
    Precisions,
    coco_precisions,
    weighed_precisions,
)

Draw = Callable[..., BoxRows]


def by_pycocotools(rows: BoxRows) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and recall of shape (ious, classes, areas); NaN for no true box."""
    ids = [{"id": i} for i in range(len(rows))]
    kinds = [{"id": c, "name": name} for c, name in enumerate(rows.classes)]
    truth, found = COCO(), COCO()
    marks = [
        {"id": n + 1, "image_id": int(i), "category_id": int(c), "bbox": b.tolist()}
        for n, (i, c, b) in enumerate(
            zip(rows.truth.images, rows.truth.classes, rows.truth.xywh, strict=True)
        )
    ]
    for mark, area, crowd in zip(marks, rows.truth.areas, rows.truth.crowds, strict=True):
        mark |= {"area": float(area), "iscrowd": int(crowd)}
    boxes = rows.predictions
    calls = [
        {"id": n + 1, "image_id": int(i), "category_id": int(c), "bbox": b.tolist()}
        | {"score": float(s), "area": float(b[2] * b[3]), "iscrowd": 0}
        for n, (i, c, b, s) in enumerate(
            zip(boxes.images, boxes.classes, boxes.xywh, boxes.scores, strict=True)
        )
    ]
    truth.dataset = {"images": ids, "annotations": marks, "categories": kinds}
    found.dataset = {"images": ids, "annotations": calls, "categories": kinds}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        judge = COCOeval(truth, found, "bbox")
        judge.params.iouThrs = np.append(np.linspace(0.5, 0.95, 10), 0.3)
        judge.evaluate()
        judge.accumulate()
    precision, recall = judge.eval["precision"][..., -1], judge.eval["recall"][..., -1]
    precision = np.where(precision < 0, np.nan, precision).mean(axis=1)
    return precision, np.where(recall < 0, np.nan, recall)


def once(rows: BoxRows) -> Precisions:
    weighed = weighed_precisions(rows)(np.ones((1, rows.n_patients), dtype=np.int64))
    return Precisions(weighed.average[0], weighed.recall[0], weighed.curve[0])


CASES = {
    "random": {},
    "three classes": {"classes": 3, "images": 40},
    "crowds": {"crowd_share": 0.3},
    "equal scores": {"score_steps": 3},
    "all scores equal": {"score_steps": 1},
    "crowds and equal scores": {"crowd_share": 0.5, "score_steps": 2, "most": 8},
    "more than 100 boxes an image": {"images": 3, "false": 150.0, "classes": 1, "score_steps": 20},
    "no truth": {"most": 0},
    "nothing found": {"missed": 1.0, "false": 0.0},
    "only false ones": {"missed": 1.0},
    "only crowds": {"crowd_share": 1.0},
    "one image": {"images": 1, "most": 6},
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
@pytest.mark.parametrize("judge", [coco_precisions, once])
def test_equals_pycocotools(
    settings: dict[str, float], judge: Callable[[BoxRows], Precisions], drawn_boxes: Draw
) -> None:
    for seed in range(3):
        rows = drawn_boxes(seed, **settings)
        average, recall = by_pycocotools(rows)
        ours = judge(rows)
        np.testing.assert_allclose(ours.average, average, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.recall, recall, rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    images=st.integers(1, 12),
    classes=st.integers(1, 3),
    most=st.integers(0, 5),
    crowd_share=st.sampled_from([0.0, 0.2, 0.8]),
    score_steps=st.sampled_from([0, 1, 4]),
    false=st.floats(0, 4),
    size_px=st.sampled_from([20.0, 300.0]),
)
def test_equals_pycocotools_whatever_is_drawn(
    drawn_boxes: Draw, seed: int, **settings: float
) -> None:
    rows = drawn_boxes(seed, **settings)
    average, recall = by_pycocotools(rows)
    np.testing.assert_allclose(once(rows).average, average, rtol=0, atol=1e-9)
    np.testing.assert_allclose(once(rows).recall, recall, rtol=0, atol=1e-9)


def test_a_weight_is_a_patient_drawn_again(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(5, images=12, images_per_patient=2)
    weights = np.array([2, 0, 1, 3, 0, 1])
    drawn = [i for i in range(12) for _ in range(weights[rows.patients[i]])]

    def again(boxes):  # type: ignore[no-untyped-def]
        which = np.array([b for i in drawn for b in np.flatnonzero(boxes.images == i)])
        place = np.array(
            [p for p, i in enumerate(drawn) for _ in np.flatnonzero(boxes.images == i)]
        )
        return replace(boxes.take(which), images=place)

    copies = replace(
        rows,
        images=tuple(map(str, range(len(drawn)))),
        patients=np.arange(len(drawn)),
        truth=again(rows.truth),
        predictions=again(rows.predictions),
    )
    average, recall = by_pycocotools(copies)
    weighed = weighed_precisions(rows)(weights[None])
    np.testing.assert_allclose(weighed.average[0], average, rtol=0, atol=1e-9)
    np.testing.assert_allclose(weighed.recall[0], recall, rtol=0, atol=1e-9)


def test_the_curve_is_the_librarys(drawn_boxes: Draw) -> None:
    rows = drawn_boxes(7)
    np.testing.assert_allclose(once(rows).curve, coco_precisions(rows).curve, rtol=0, atol=1e-9)
    mean = once(rows).named(rows.classes)
    for iou in ("0.3", "0.5"):
        assert mean[f"mAP@{iou}"] == pytest.approx(mean[f"precision-recall@{iou}"].mean())


def test_a_rough_box_counts_at_a_low_overlap_and_in_no_mean_over_several() -> None:
    truth = TrueBoxes(
        np.array([0]),
        np.array([0]),
        np.array([[0.0, 0, 100, 100]]),
        np.array([1e4]),
        np.zeros(1, bool),
    )
    # Half of each lies on the other: an IoU of 1/3.
    found = PredictedBoxes(
        np.array([0]), np.array([0]), np.array([[0.0, 50, 100, 100]]), np.array([0.9])
    )
    rows = BoxRows(("a",), np.zeros(1, int), ("fracture",), truth, found)
    for judged in (once(rows), coco_precisions(rows)):
        named = judged.named(rows.classes)
        assert (named["mAP@0.3"], named["mAP@0.5"]) == (1.0, 0.0)
        assert named["mAP@0.5:0.95"] == named["mean recall"] == 0.0
        assert named["mAP@0.5, large"] == 0.0
        assert np.isnan(named["mAP@0.5, small"])


def test_figures_carry_the_names_of_classes_and_sizes(drawn_boxes: Draw) -> None:
    named = coco_precisions(drawn_boxes(1)).named(("hand", "hip"))
    assert named["mAP@0.5"] == pytest.approx((named["AP@0.5, hand"] + named["AP@0.5, hip"]) / 2)
    assert {"mAP@0.75", "mAP@0.5:0.95", "mAP@0.5:0.95, small", "mean recall"} <= named.keys()
