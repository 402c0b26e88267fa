"""What each backbone costs: parameters, training, and an image."""

import time
from collections.abc import Sequence

import polars as pl
import torch

from greenstick.experiments.concluding import Concluded
from greenstick.experiments.jobs import Done, read_done
from greenstick.experiments.run_folder import RunFolder
from greenstick.models.loading import load_scorer
from greenstick.training.cpu import kept_memory
from greenstick.training.predict import score

SCHEMA = {
    "model": pl.String,  # as in scores.parquet
    "backbone": pl.String,
    "networks": pl.Int32,  # that answer together: one a seed
    "parameters": pl.Int64,  # of all of these
    "ms_per_image": pl.Float64,  # of all of these, in PyTorch where the run was concluded
    "train_seconds": pl.Float64,  # of all of these, the mean over folds
    "weights_origin": pl.String,
}
_BATCH, _ROUNDS = 8, 3


def costs_of(run: RunFolder, concluded: Sequence[Concluded]) -> pl.DataFrame:
    """Return one row a backbone; columns as in :data:`SCHEMA`."""
    by_backbone: dict[str, list[Concluded]] = {}
    for each in concluded:
        by_backbone.setdefault(each.fold.backbone, []).append(each)
    rows = []
    for backbone, mine in by_backbone.items():
        done = [[read_done(run, job) for job in each.fold.members] for each in mine]
        first = [one for one in done[0] if one is not None]
        rows.append(
            {
                "model": backbone,
                "backbone": backbone,
                "networks": len(first),
                "parameters": sum(one.parameters for one in first),
                "ms_per_image": _ms_per_image(run, mine[0]),
                "train_seconds": sum(map(_seconds, done)) / len(done),
                "weights_origin": first[0].weights_origin,
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def _seconds(members: list[Done | None]) -> float:
    return sum(one.train_seconds for one in members if one is not None)


def _ms_per_image(run: RunFolder, concluded: Concluded) -> float:
    """Measure the fold's model as readers run it, mirror image and all, but for their runtime."""
    model, card = load_scorer(run.model(concluded.fold.name))
    model = model.to(memory_format=torch.channels_last)  # as it was trained
    images = torch.zeros(_BATCH, 1, card.canvas_px, card.canvas_px)
    seconds = []
    with kept_memory(), torch.inference_mode():
        for _ in range(_ROUNDS + 1):  # the first round sets up
            start = time.perf_counter()
            score(model, images, flip_average=card.flip_average)
            seconds.append(time.perf_counter() - start)
    return min(seconds[1:]) / _BATCH * 1000
