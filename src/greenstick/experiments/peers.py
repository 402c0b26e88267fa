"""Models that learn from healthy images alone, in the place of a network that learns from labels.

They are judged beside it: the same rows, the same calibration, evidence and report.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from greenstick.decision.calibration import fit_platt
from greenstick.errors import GreenstickError
from greenstick.experiments.jobs import Job
from greenstick.experiments.pixels import Pixels
from greenstick.models.departures import Departures
from greenstick.models.patch_restorer import Restorer
from greenstick.training.peers import fit_autoencoder, fit_departures, fit_memory
from greenstick.training.predict import predict
from greenstick.training.ranking import auroc

#: A peer that cannot rank the validation images answers nearly the same to all, no slope at all.
_LEAST_SLOPE = 0.01


@dataclass(frozen=True, eq=False)
class FittedPeer:
    """A model of healthy images alone, put to answer on the logits' scale.

    Attributes
    ----------
    model
        In evaluation mode.
    valid_auroc
        On the validation rows, whose labels set the scale of its logits and nothing else.
    seconds
        Spent on it.
    """

    model: Departures
    valid_auroc: float
    seconds: float


def fit_peer(
    job: Job,
    train: pl.DataFrame,
    valid: pl.DataFrame,
    pixels: Pixels,
    restorer: Restorer | None,
    progress: Callable[[int, int], None] | None = None,
) -> FittedPeer:
    """Train a peer on the healthy training rows, and put Platt's line through its logits.

    Its scale comes from the healthy validation rows, the line from all of these.

    Parameters
    ----------
    train, valid
        The job's rows of the cohort.
    restorer
        For a peer that needs one.

    Raises
    ------
    GreenstickError
        Where there are no healthy images, or validation rows are of one class only.
    """
    start = time.perf_counter()
    settings = job.settings.model
    healthy, held_back = (pixels.keys_of(rows.filter(label=0)) for rows in (train, valid))
    labels = valid["label"].to_numpy()
    if len(set(labels.tolist())) < 2:
        raise GreenstickError(
            "The validation images are all with, or all without a fracture.",
            remedy="Split the cohort so that both are there.",
        )
    recipes, seed = job.settings.peers, job.settings.seed
    fit: Callable[..., Departures]
    if settings.peer == "memory":
        seeing = settings.model_copy(update={"peer": None, "restorer": None})
        fit = partial(fit_memory, recipe=recipes.memory, settings=seeing)
    elif settings.peer == "autoencoder":
        fit = partial(fit_autoencoder, recipe=recipes.autoencoder)
    else:
        assert restorer is not None
        fit = partial(fit_departures, restorer, recipe=recipes.departures)
    model = fit(
        source=pixels.store, healthy=healthy, held_back=held_back, seed=seed, progress=progress
    )
    flips = job.settings.recipe.flip_average
    logits = predict(model, pixels.store, pixels.keys_of(valid), flip_average=flips).logits[:, 0]
    line = fit_platt(logits, labels, fitted_on="valid")
    model.answer_by(max(line.slope, _LEAST_SLOPE), line.intercept)
    return FittedPeer(model, auroc(labels == 1, logits), time.perf_counter() - start)
