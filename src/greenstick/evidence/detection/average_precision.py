"""Average precision as COCO defines it: by the library, and again for every weight of patients.

The library (faster-coco-eval) gives the figures; it cannot weigh patients, so the bootstrap goes
over matches that were made once. With all weights 1 both are the same, which tests assert.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.matching import AREAS, MOST, Matches, match
from greenstick.evidence.rows import Bools, Floats, Ints

#: COCO's ten values of IoU, and the recalls at which precision is read off.
IOUS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALLS = np.linspace(0.0, 1.0, 101)
#: One more, for boxes that only say about where (a heat map's); it is in no mean over several.
ROUGH = 0.3
MATCHED = (*IOUS, ROUGH)
#: Place in :data:`MATCHED` of each IoU whose precision-recall curve is kept.
CURVES = {ROUGH: len(IOUS), 0.5: 0, 0.75: 5}


@dataclass(frozen=True, eq=False)
class Precisions:
    """Average precision by IoU, class and area, and mean recall; NaN where there is no true box.

    Attributes
    ----------
    average
        (..., ious, classes, areas), at each of :data:`MATCHED`.
    recall
        (..., ious, classes, areas): recall when every box counts (at most 100 an image).
    curve
        (..., curves, classes, recalls): precision over all areas, at each of :data:`CURVES`.
    """

    average: Floats
    recall: Floats
    curve: Floats

    def named(self, classes: tuple[str, ...]) -> dict[str, Floats]:
        """Return the figures as people name them, each of shape (...)."""
        every, several = list(AREAS), self.average[..., : len(IOUS), :, :]
        named = {
            "mAP@0.5": _mean(self.average[..., :1, :, :1]),
            "mAP@0.75": _mean(self.average[..., 5:6, :, :1]),
            "mAP@0.5:0.95": _mean(several[..., :1]),
            "mAP@0.3": _mean(self.average[..., len(IOUS) :, :, :1]),
            "mean recall": _mean(self.recall[..., : len(IOUS), :, :1]),
        }
        for number, area in enumerate(every[1:], start=1):
            mine = several[..., number : number + 1]
            named[f"mAP@0.5, {area}"] = _mean(mine[..., :1, :, :])
            named[f"mAP@0.5:0.95, {area}"] = _mean(mine)
        for number, name in enumerate(classes):
            mine = several[..., number : number + 1, :1]
            named[f"AP@0.5, {name}"] = _mean(mine[..., :1, :, :])
            named[f"AP@0.5:0.95, {name}"] = _mean(mine)
        for place, iou in enumerate(CURVES):
            named[curve_name(iou)] = _mean_curve(self.curve[..., place, :, :])
        return named


def curve_name(iou: float) -> str:
    """Return what the precision-recall curve at an IoU is called."""
    return f"precision-recall@{iou:g}"


def _mean(values: Floats) -> Floats:
    """Return the mean over the last three axes, NaN left out; NaN where there is none."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=(-3, -2, -1))
    count = known.sum(axis=(-3, -2, -1))
    means: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def _mean_curve(values: Floats) -> Floats:
    known = np.isfinite(values)
    count = known.sum(axis=-2)
    total = np.where(known, values, 0.0).sum(axis=-2)
    means: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def coco_precisions(rows: BoxRows) -> Precisions:
    """Return the figures as faster-coco-eval has them, which are those of pycocotools."""
    from faster_coco_eval.core.coco import COCO
    from faster_coco_eval.core.faster_eval_api import COCOeval_faster

    truth, predicted = COCO(_as_truth(rows)), COCO(_as_predictions(rows))
    judge = COCOeval_faster(truth, predicted, iouType="bbox")
    judge.params.imgIds = list(range(len(rows)))
    judge.params.catIds = list(range(len(rows.classes)))
    judge.params.iouThrs = np.array(MATCHED)
    judge.params.areaRng = [list(bounds) for bounds in AREAS.values()]
    judge.params.areaRngLbl = list(AREAS)
    judge.params.maxDets = [MOST]
    judge.evaluate()
    judge.accumulate()
    shape = (len(MATCHED), len(RECALLS), len(rows.classes), len(AREAS))
    precision = np.asarray(judge.eval["precision"], dtype=np.float64).reshape(shape)
    recall = np.asarray(judge.eval["recall"], dtype=np.float64).reshape(shape[0], *shape[2:])
    precision = np.where(precision < 0, np.nan, precision)  # the library's -1: no true box
    return Precisions(
        average=precision.mean(axis=1),
        recall=np.where(recall < 0, np.nan, recall),
        curve=precision[list(CURVES.values()), :, :, 0].swapaxes(1, 2),
    )


def _as_truth(rows: BoxRows) -> dict[str, object]:
    boxes = rows.truth
    return {
        "images": [{"id": number} for number in range(len(rows))],
        "categories": [{"id": number} for number in range(len(rows.classes))],
        "annotations": [
            {
                "id": number + 1,  # 0 would stand for 'not matched'
                "image_id": int(boxes.images[number]),
                "category_id": int(boxes.classes[number]),
                "bbox": boxes.xywh[number].tolist(),
                "area": float(boxes.areas[number]),
                "iscrowd": int(boxes.crowds[number]),
            }
            for number in range(len(boxes))
        ],
    }


def _as_predictions(rows: BoxRows) -> dict[str, object]:
    boxes = rows.predictions
    return {
        "images": [{"id": number} for number in range(len(rows))],
        "categories": [{"id": number} for number in range(len(rows.classes))],
        "annotations": [
            {
                "id": number + 1,
                "image_id": int(boxes.images[number]),
                "category_id": int(boxes.classes[number]),
                "bbox": boxes.xywh[number].tolist(),
                "area": float(np.prod(boxes.xywh[number, 2:])),
                "score": float(boxes.scores[number]),
                "iscrowd": 0,
            }
            for number in range(len(boxes))
        ],
    }


@dataclass(frozen=True, eq=False)
class _Ranked:
    """What is to be weighed for one IoU, class and area.

    Attributes
    ----------
    called
        (n,) patients of the predictions that count, by falling score.
    hits
        (m,) which of these find a true box.
    wanted
        (patients,) how many true boxes each has.
    """

    called: Ints
    hits: Ints
    wanted: Ints

    def steps(self, weights: Ints) -> "_Steps":
        """Return precision and recall at each hit under (b, patients) weights."""
        called = np.cumsum(weights.take(self.called, axis=1), axis=1).take(self.hits, axis=1)
        tp = np.cumsum(weights.take(self.called[self.hits], axis=1), axis=1)
        wanted = (weights @ self.wanted)[:, None]
        precision = tp / np.maximum(called, 1)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.divide(tp, wanted, out=np.full(tp.shape, np.nan), where=wanted > 0)
        reached = np.searchsorted(RECALLS, recall, side="right")
        return _Steps(best, recall, np.diff(reached, axis=1, prepend=0), wanted[:, 0] > 0)


@dataclass(frozen=True, eq=False)
class _Steps:
    """The precision-recall curve at each hit: (b, m) values, falling and rising.

    ``levels`` says how many of the recalls that count are first reached there; ``known`` (b,)
    whether there is a true box at all.
    """

    precision: Floats
    recall: Floats
    levels: Ints
    known: Bools

    def average(self) -> Floats:
        """Return the (b,) average precision."""
        total = (self.precision * self.levels).sum(axis=1) / len(RECALLS)
        return np.where(self.known, total, np.nan)

    def last_recall(self) -> Floats:
        """Return the (b,) recall when every box counts."""
        last = self.recall[:, -1] if self.recall.shape[1] else np.zeros(len(self.known))
        return np.where(self.known, last, np.nan)

    def curve(self) -> Floats:
        """Return the (b, recalls) precision at each recall, 0 where it is not reached."""
        curve = np.zeros((len(self.known), len(RECALLS)))
        for row, precision, levels in zip(curve, self.precision, self.levels, strict=True):
            row[: levels.sum()] = np.repeat(precision, levels)
        curve[~self.known] = np.nan
        return curve


def weighed_precisions(rows: BoxRows) -> Callable[[Ints], Precisions]:
    """Match once; return a function from (b, patients) weights to the figures."""
    matches = [match(rows, MATCHED, bounds) for bounds in AREAS.values()]
    shape = (len(MATCHED), len(rows.classes), len(AREAS))
    kept = {place: number for number, place in enumerate(CURVES.values())}
    ranked = {(t, c, a): _ranked(rows, matches[a], t, c) for t, c, a in np.ndindex(shape)}

    def weighed(weights: Ints) -> Precisions:
        average, recall = np.empty((2, len(weights), *shape))
        curve = np.empty((len(weights), len(kept), len(rows.classes), len(RECALLS)))
        for place, one in ranked.items():
            steps = one.steps(weights)
            average[:, *place], recall[:, *place] = steps.average(), steps.last_recall()
            if place[0] in kept and place[2] == 0:
                curve[:, kept[place[0]], place[1]] = steps.curve()
        return Precisions(average, recall, curve)

    return weighed


def _ranked(rows: BoxRows, matches: Matches, t: int, c: int) -> _Ranked:
    truth, boxes = rows.truth, rows.predictions
    counts = (boxes.classes[matches.order] == c) & ~matches.ignored[t]
    hits = np.flatnonzero(matches.hits[t][counts])
    called = rows.patients[boxes.images[matches.order[counts]]]
    wanted = rows.patients[truth.images[matches.wanted & (truth.classes == c)]]
    last = hits[-1] + 1 if len(hits) else 0  # misses below the last hit change nothing
    return _Ranked(called[:last], hits, np.bincount(wanted, minlength=rows.n_patients))
