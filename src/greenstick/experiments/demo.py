"""The demonstration: drawn radiographs, and settings that end in three minutes on two cores."""

from collections.abc import Callable
from pathlib import Path

from greenstick.cohorts.cohort import read_cohort
from greenstick.cohorts.drawn import write_phantom_cohort
from greenstick.experiments.experiment import Experiment, new_experiment


def demo_experiment(
    folder: Path, *, images: int, progress: Callable[[int, int], None] | None = None
) -> Experiment:
    """Draw the cohort beside the run folder, where it is not there yet, and return the experiment.

    Parameters
    ----------
    folder
        The run folder; the drawings go into ``<folder>-cohort``.
    images
        How many radiographs.
    progress
        Called with (done, all).
    """
    drawings = folder.with_name(f"{folder.name}-cohort")
    path = drawings / "cohort.parquet"
    if not path.is_file() or len(read_cohort(path)) != images:
        write_phantom_cohort(
            drawings, images, seed=0, overwrite=True, processes=True, progress=progress
        )
    settings = {
        "split": {"method": "holdout", "fractions": (0.6, 0.2, 0.2)},
        "recipe": {
            "canvas_px": 256,
            "start_px": 160,
            "start_epochs": 3,
            "epochs": 6,
            "batch_size": 16,
            "lr": 1e-3,
            "positive_share": 0.5,
            "box_loss_weight": 0.5,
            "augmentation": {"flip_vertical": True},
        },
        "model": {"backbone": "mobilenetv2_100", "head": "pyramid"},
    }
    experiment = new_experiment(read_cohort(path), path, folder / "experiment.toml", **settings)
    return experiment.model_copy(update={"name": "demo", "cohort": str(path.resolve())})
