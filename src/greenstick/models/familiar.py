"""Whether an image looks like those that a model was trained on. No torch here.

The Mahalanobis distance to the training images' looks (see :mod:`greenstick.models.look`) under a
shrunk covariance (Ledoit & Wolf 2004), as in Lee et al. (NeurIPS 2018). Its threshold lets a stated
share of validation images through as strange.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from greenstick.errors import GreenstickError
from greenstick.files import write_whole

FAMILIAR = "familiar.safetensors"
#: So many standard deviations (of the distance's logarithm) beyond the mean of films of its own
#: kind, a look has nothing of the training images.
_FAR_DEVIATIONS = 8.0
#: The same, in thresholds, for models whose file does not say it.
_FAR = 5.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Familiar:
    """The looks that a model knows.

    Attributes
    ----------
    mean
        (D,): of the training images' looks.
    whitening
        (D, D): turns a deviation from the mean into one of unit covariance.
    threshold
        A distance above it is strange.
    false_alarms
        Share of the images of ``chosen_on`` that are above it.
    chosen_on, n
        Name and number of the images that the threshold was chosen on.
    far
        From so many thresholds on, an image has nothing of those that the model knows.
    """

    mean: Floats
    whitening: Floats
    threshold: float
    false_alarms: float
    chosen_on: str
    n: int
    far: float = _FAR

    def distance(self, looks: Floats) -> Floats:
        """Return (N,) distances of looks (N, D), in units of the threshold: above 1 is strange."""
        white = (np.asarray(looks, np.float32) - self.mean) @ self.whitening
        return np.asarray(np.linalg.norm(white, axis=1) / self.threshold, np.float32)


def learn_familiar(
    train: Floats,
    valid: Floats,
    *,
    varied: Floats | None = None,
    false_alarms: float = 0.01,
    chosen_on: str,
) -> Familiar:
    """Learn what is familiar.

    Parameters
    ----------
    train
        (n, D): looks of training images.
    valid
        (m, D): looks of images that the model was not fitted on, for the threshold.
    varied
        (k, D): looks of the same as other machines might show them, for ``far``; None: as they
        are.
    false_alarms
        The share of these that may be called strange.
    chosen_on
        Name of these.

    Raises
    ------
    GreenstickError
        Where there are too few of either.
    """
    if len(train) < 10 or len(valid) < 10:
        raise GreenstickError(
            f"{len(train)} training and {len(valid)} validation images are too few to tell what "
            "is familiar.",
            remedy="Give ten of each at least.",
        )
    from sklearn.covariance import LedoitWolf  # takes a while to load, and readers need it not

    scale = train.std(axis=0) + 1e-6  # channels of all ranges count alike before they are shrunk
    fitted = LedoitWolf().fit(train / scale)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    whitening = vectors / np.sqrt(np.maximum(values, 1e-12)) / scale[:, None]
    known = Familiar(
        mean=np.asarray(train.mean(axis=0), np.float32),
        whitening=np.asarray(whitening, np.float32),
        threshold=1.0,
        false_alarms=false_alarms,
        chosen_on=chosen_on,
        n=len(valid),
    )
    threshold = max(float(np.quantile(known.distance(valid), 1.0 - false_alarms)), 1e-6)
    logs = np.log(known.distance(valid if varied is None else varied) / threshold + 1e-6)
    far = max(1.0, float(np.exp(logs.mean() + _FAR_DEVIATIONS * logs.std())))
    return replace(known, threshold=threshold, far=far)


def for_coarser(known: Familiar, looks: Floats, coarser: Floats) -> Familiar:
    """Return what is familiar to the same network in coarser numbers, which see all a bit off.

    What they see off on average is taken away, and the threshold grows as the distances of these
    images do.

    Parameters
    ----------
    known
        What is familiar to the network.
    looks, coarser
        (n, D), n of ten or more: how familiar images look to it, and how in coarser numbers.
    """
    moved = replace(known, mean=known.mean + (coarser - looks).mean(axis=0))
    growth = float(np.median(moved.distance(coarser)) / np.median(known.distance(looks)))
    return replace(moved, threshold=known.threshold * max(growth, 1.0))


def write_familiar(folder: Path, known: Familiar) -> None:
    """Write what is familiar into a model folder."""
    facts = {
        "threshold": repr(known.threshold),
        "false_alarms": repr(known.false_alarms),
        "chosen_on": known.chosen_on,
        "n": str(known.n),
        "far": repr(known.far),
    }
    data = save({"mean": known.mean, "whitening": np.ascontiguousarray(known.whitening)}, facts)
    write_whole(folder / FAMILIAR, lambda part: part.write_bytes(data))


def read_familiar(folder: Path) -> Familiar | None:
    """Read what :func:`write_familiar` wrote; None where a model folder holds none.

    Raises
    ------
    GreenstickError
        Where the file is something else.
    """
    path = folder / FAMILIAR
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            facts = file.metadata() or {}
            return Familiar(
                file.get_tensor("mean"),
                file.get_tensor("whitening"),
                float(facts["threshold"]),
                float(facts["false_alarms"]),
                facts["chosen_on"],
                int(facts["n"]),
                float(facts.get("far", _FAR)),
            )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise GreenstickError(
            f"{path} does not hold what is familiar to a model ({type(error).__name__}).",
            remedy="Copy the whole model folder again.",
        ) from None
