"""Average precision, for choosing an epoch. Evidence has its own, with intervals."""

from collections.abc import Sequence

import numpy as np
from faster_coco_eval.core.coco import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster
from numpy.typing import NDArray

from greenstick.models.merging import Merged


def average_precision(
    truth: Sequence[NDArray[np.floating]], found: Sequence[Merged], *, iou: float = 0.5
) -> float:
    """Return the average precision of one class as COCO has it; NaN where there is no true box.

    Parameters
    ----------
    truth
        (k, 4) of each image: x, y, width, height.
    found
        Of each image.
    iou
        Overlap from which a box counts as found.
    """
    ids = [{"id": number} for number in range(len(truth))]
    boxes = [(i, box.tolist(), 0.0) for i, true in enumerate(truth) for box in true]
    calls = [
        (i, [*corners[:2], *(corners[2:] - corners[:2])], score)
        for i, one in enumerate(found)
        for corners, score in zip(one.corners, one.scores, strict=True)
    ]
    judge = COCOeval_faster(_coco(ids, boxes), _coco(ids, calls), iouType="bbox")
    judge.params.imgIds, judge.params.catIds = list(range(len(truth))), [0]
    judge.params.iouThrs = np.array([iou])
    judge.params.areaRng, judge.params.areaRngLbl = [[0.0, 1e10]], ["all"]
    judge.params.maxDets = [100]
    judge.evaluate()
    judge.accumulate()
    precision = np.asarray(judge.eval["precision"])
    return float(precision.mean()) if boxes else float("nan")


def _coco(ids: list[dict[str, int]], boxes: Sequence[tuple[int, list[float], float]]) -> COCO:
    annotations = [
        {
            "id": number + 1,  # 0 would stand for 'not matched'
            "image_id": image,
            "category_id": 0,
            "bbox": [float(value) for value in box],
            "area": float(box[2] * box[3]),
            "iscrowd": 0,
            "score": float(score),
        }
        for number, (image, box, score) in enumerate(boxes)
    ]
    return COCO({"images": ids, "annotations": annotations, "categories": [{"id": 0}]})
