"""A classifier over many images of the pixel store."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from greenstick.cohorts.pixels import PixelStore
from greenstick.models.classifier import Classifier, Prediction
from greenstick.models.departures import Departures
from greenstick.models.ensemble import Ensemble, JointPrediction
from greenstick.training.cpu import kept_memory


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of n images; unpacks as ``logits, maps``.

    Attributes
    ----------
    logits
        float32 of shape (n, C).
    maps
        float32 of shape (n, C, h, w).
    spread
        float32 of shape (n, C): how far an ensemble's members differ; None for one network.
    """

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return iter((self.logits, self.maps))


def predict(
    model: Classifier | Ensemble | Departures,
    store: PixelStore,
    keys: Sequence[bytes],
    *,
    flip_average: bool = False,
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Score images in the order of their keys, in float32, without augmentation.

    Parameters
    ----------
    model
        Is put into evaluation mode; stays on its device.
    store, keys
        The images.
    flip_average
        Average logits and maps of an image and its mirror.
    batch
        Images at a time.
    progress
        Called with (done, all) after each batch.
    """
    model.eval()
    device = next(model.parameters()).device
    parts: list[tuple[NDArray[np.float32], ...]] = []
    with kept_memory(), torch.inference_mode():
        for start in range(0, len(keys), batch):
            canvases = torch.from_numpy(store.gather(keys[start : start + batch])).to(device)
            prediction = score(model, to_images(canvases), flip_average=flip_average)
            parts.append(tuple(values.float().cpu().numpy() for values in prediction))
            if progress is not None:
                progress(min(start + batch, len(keys)), len(keys))
    if not parts:
        classes = 1 if isinstance(model, Departures) else len(model.settings.classes)
        return Predictions(
            np.zeros((0, classes), np.float32), np.zeros((0, classes, 1, 1), np.float32)
        )
    return Predictions(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def to_images(canvases: Tensor) -> Tensor:
    """Turn uint8 canvases (n, S, S) into float32 images (n, 1, S, S) in [0, 1]."""
    return canvases.unsqueeze(1).float().div_(255.0)


def score(
    model: Classifier | Ensemble | Departures, images: Tensor, *, flip_average: bool
) -> Prediction | JointPrediction:
    """Run a network on images, and where wanted on their mirrors too, and average.

    An ensemble's spread is then the mean of both spreads.
    """
    plain: Prediction | JointPrediction = model(images)
    if not flip_average:
        return plain
    mirrored: Prediction | JointPrediction = model(images.flip(3))
    mirrored = mirrored._replace(maps=mirrored.maps.flip(3))
    return type(plain)(*((one + other) / 2.0 for one, other in zip(plain, mirrored, strict=True)))
