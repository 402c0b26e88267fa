"""What a detector is judged on: images, the boxes drawn on them, and the boxes predicted."""

from dataclasses import dataclass, replace

import numpy as np

from greenstick.evidence.rows import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The boxes that experts drew; k of them.

    Attributes
    ----------
    images, classes
        (k,) numbers of the image and of the class.
    xywh
        (k, 4): x, y, width, height in pixels of the original.
    areas
        (k,) in pixels: that of the outline where the file states one, else of the box. It decides
        what is small, medium and large.
    crowds
        (k,) true where one box stands for many objects: what is predicted there counts neither
        for nor against.
    """

    images: Ints
    classes: Ints
    xywh: Floats
    areas: Floats
    crowds: Bools

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: Bools | Ints) -> "TrueBoxes":
        """Return some of the boxes."""
        return TrueBoxes(
            self.images[which],
            self.classes[which],
            self.xywh[which],
            self.areas[which],
            self.crowds[which],
        )


@dataclass(frozen=True, eq=False)
class PredictedBoxes:
    """What a detector says; k boxes.

    Attributes
    ----------
    images, classes, xywh
        As in :class:`TrueBoxes`.
    scores
        (k,) finite, higher means surer.
    """

    images: Ints
    classes: Ints
    xywh: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: Bools | Ints) -> "PredictedBoxes":
        """Return some of the boxes."""
        return PredictedBoxes(
            self.images[which], self.classes[which], self.xywh[which], self.scores[which]
        )


@dataclass(frozen=True, eq=False)
class BoxRows:
    """n images with true and predicted boxes.

    Attributes
    ----------
    images
        Names of the n images. Where scores tie, their order decides, as in COCO's own tool.
    patients
        (n,) numbers 0 to n_patients - 1.
    classes
        Names of the classes.
    truth, predictions
        The boxes.
    """

    images: tuple[str, ...]
    patients: Ints
    classes: tuple[str, ...]
    truth: TrueBoxes
    predictions: PredictedBoxes

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_patients(self) -> int:
        """How many patients there are."""
        return int(self.patients.max()) + 1

    @property
    def fractured(self) -> Bools:
        """(n,) true where an image has a true box, a crowd not counted."""
        counts = np.bincount(self.truth.images[~self.truth.crowds], minlength=len(self))
        return np.asarray(counts > 0)

    @property
    def best_scores(self) -> Floats:
        """(n,) score of the best box of each image.

        An image without any has less than the lowest of all scores.
        """
        scores = self.predictions.scores
        best = np.full(len(self), (scores.min() if len(scores) else 0.0) - 1.0)
        np.maximum.at(best, self.predictions.images, scores)
        return best

    def surer(self, threshold: float) -> "BoxRows":
        """Return the same with the predictions of at least this score."""
        return replace(
            self, predictions=self.predictions.take(self.predictions.scores >= threshold)
        )

    def of(self, which: Bools) -> "BoxRows":
        """Return some of the images with their boxes; images and patients are numbered anew."""
        place = np.cumsum(which) - 1
        truth = self.truth.take(which[self.truth.images])
        predictions = self.predictions.take(which[self.predictions.images])
        _, patients = np.unique(self.patients[which], return_inverse=True)
        return BoxRows(
            images=tuple(self.images[i] for i in np.flatnonzero(which)),
            patients=patients.astype(np.int64),
            classes=self.classes,
            truth=replace(truth, images=place[truth.images]),
            predictions=replace(predictions, images=place[predictions.images]),
        )

    def merged(self) -> "BoxRows":
        """Return the same with all classes taken for one."""
        truth, predictions = self.truth, self.predictions
        return replace(
            self,
            classes=("any",),
            truth=replace(truth, classes=np.zeros_like(truth.classes)),
            predictions=replace(predictions, classes=np.zeros_like(predictions.classes)),
        )
