"""Average precision, for choosing an epoch. Evidence has its own, with intervals."""

from collections.abc import Sequence

import numpy as np
from faster_coco_eval.core.coco import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster
from numpy.typing import NDArray

from greenstick.models.merging import Merged


def average_precision(
    truth: Sequence[NDArray[np.floating]],
    classes: Sequence[NDArray[np.int64]],
    found: Sequence[Merged],
    *,
    iou: float = 0.5,
) -> float:
    """Return the average precision as COCO has it, the mean over the classes that occur.

    It is NaN where there is no true box.

    Parameters
    ----------
    truth
        (k, 4) of each image: x, y, width, height.
    classes
        (k,) of each image: the numbers of its boxes' classes.
    found
        Of each image.
    iou
        Overlap from which a box counts as found.
    """
    ids = [{"id": number} for number in range(len(truth))]
    boxes = [
        (i, int(kind), box.tolist(), 0.0)
        for i, (true, kinds) in enumerate(zip(truth, classes, strict=True))
        for box, kind in zip(true, kinds, strict=True)
    ]
    calls = [
        (i, int(kind), [*corners[:2], *(corners[2:] - corners[:2])], score)
        for i, one in enumerate(found)
        for corners, score, kind in zip(one.corners, one.scores, one.classes, strict=True)
    ]
    if not boxes:
        return float("nan")
    occur = sorted({kind for _, kind, _, _ in boxes})
    judge = COCOeval_faster(_coco(ids, boxes), _coco(ids, calls), iouType="bbox")
    judge.params.imgIds, judge.params.catIds = list(range(len(truth))), occur
    judge.params.iouThrs = np.array([iou])
    judge.params.areaRng, judge.params.areaRngLbl = [[0.0, 1e10]], ["all"]
    judge.params.maxDets = [100]
    judge.evaluate()
    judge.accumulate()
    return float(np.asarray(judge.eval["precision"]).mean())


def _coco(ids: list[dict[str, int]], boxes: Sequence[tuple[int, int, list[float], float]]) -> COCO:
    annotations = [
        {
            "id": number + 1,  # 0 would stand for 'not matched'
            "image_id": image,
            "category_id": kind,
            "bbox": [float(value) for value in box],
            "area": float(box[2] * box[3]),
            "iscrowd": 0,
            "score": float(score),
        }
        for number, (image, kind, box, score) in enumerate(boxes)
    ]
    kinds = [{"id": kind} for kind in sorted({kind for _, kind, _, _ in boxes})]
    return COCO({"images": ids, "annotations": annotations, "categories": kinds})
