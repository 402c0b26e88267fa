"""The figures of a detector that need the bootstrap, all from the same samples of patients."""

from collections.abc import Mapping

import numpy as np

from greenstick.evidence.bootstrap import Resampled, limits_of, resample
from greenstick.evidence.detection.at_confidence import WeighedCounts
from greenstick.evidence.detection.average_precision import coco_precisions, weighed_precisions
from greenstick.evidence.detection.boxes import BoxRows
from greenstick.evidence.detection.confidence import Confidence
from greenstick.evidence.detection.froc import weighed_froc
from greenstick.evidence.estimates import Curve, Estimate
from greenstick.evidence.intervals import bands
from greenstick.evidence.rows import Floats, Ints


class Drawn:
    """Every figure that needs the bootstrap, from the same samples of patients."""

    def __init__(
        self,
        boxes: BoxRows,
        iou: float,
        confidence: Confidence | None,
        *,
        seed: int,
        replicates: int,
        level: float,
    ) -> None:
        precisions, froc = weighed_precisions(boxes), weighed_froc(boxes, iou)
        counts = WeighedCounts(boxes, confidence) if confidence else None

        def statistics(weights: Ints) -> Mapping[str, Floats]:
            named = precisions(weights).named(boxes.classes) | froc(weights)
            return named if counts is None else named | counts(weights)

        once = statistics(np.ones((1, boxes.n_patients), dtype=np.int64))
        self.boxes, self.iou, self.confidence, self.level = boxes, iou, confidence, level
        self.values = {name: value[0] for name, value in once.items()}
        self.values |= coco_precisions(boxes).named(boxes.classes)
        self.resampled: Resampled = resample(
            statistics,
            patients=boxes.n_patients,
            rows=max(len(boxes.predictions), len(boxes)),
            replicates=replicates if boxes.n_patients > 1 else 0,
            seed=seed,
        )

    def named(self, *beginnings: str) -> list[str]:
        """Return the names of the figures that begin so."""
        return [name for name in self.values if name.startswith(beginnings)]

    def estimate(self, name: str, shown: str = "") -> Estimate:
        """Return a figure with its limits."""
        value = float(self.values[name])
        patients = self.boxes.n_patients
        limits = limits_of(name, value, self.resampled, patients, self.level)
        known = bool(np.isfinite(value))
        return Estimate(
            name=shown or name,
            value=value if known else None,
            lower=limits.lower,
            upper=limits.upper,
            level=self.level,
            method=limits.method if known else "not estimable: no such true box",
            n_images=len(self.boxes),
            n_patients=patients,
        )

    def curve(self, name: str, grid: Floats) -> Curve:
        """Return a curve with its band; of no points where there is no true box."""
        values, replicates = self.values[name], self.resampled.replicates[name]
        if np.isnan(values).any():
            return Curve.empty()
        known = len(replicates) and np.isfinite(replicates).all(axis=1).any()
        lower, upper = bands(replicates, self.level) if known else (values * 0, values * 0 + 1)
        return Curve(
            x=grid.tolist(),
            y=values.tolist(),
            lower=lower.tolist(),
            upper=upper.tolist(),
            level=self.level,
        )
