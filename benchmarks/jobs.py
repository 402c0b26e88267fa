"""The same folds one after the other, side by side, and on a local Ray cluster.

Times are those of the training stage: starting the workers counts. The scores of each way are
compared with those of the first.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console

from greenstick.cohorts.drawn import write_phantom_cohort
from greenstick.experiments.effort import Effort
from greenstick.experiments.experiment import Experiment, check_experiment
from greenstick.experiments.run import run_experiment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--canvas-px", type=int, default=160)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ray", action="store_true", help="also on a local Ray cluster")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_phantom_cohort(home / "cohort", chosen.images, seed=0)
        experiment = _experiment(home / "cohort" / "cohort.parquet", chosen)
        ways = {"one after the other": Effort(jobs=1), "side by side": Effort(jobs=chosen.jobs)}
        if chosen.ray:
            ways["on Ray"] = Effort(jobs=chosen.jobs, ray="local")
        logits, seconds = [], []
        for place, (name, effort) in enumerate(ways.items()):
            run = home / str(place)
            run_experiment(experiment, run, effort=effort, console=Console(stderr=True))
            seconds.append(
                json.loads((run / "environment.json").read_text())["seconds of training"]
            )
            logits.append(pl.read_parquet(run / "scores.parquet")["logit"].to_numpy())
            gap = float(np.abs(logits[-1] - logits[0]).max())
            print(
                f"{name}: {seconds[-1]:.0f} s, {seconds[0] / seconds[-1]:.2f} times as fast, "
                f"largest difference of a logit {gap:.1e}"
            )


def _experiment(cohort: Path, chosen: argparse.Namespace) -> Experiment:
    settings = {
        "cohort": str(cohort.resolve()),
        "split": {"method": "kfold", "folds": chosen.folds, "valid_fraction": 0.2},
        "model": {"backbone": "mobilenetv3_small_050", "weights": "none"},
        "recipe": {
            "canvas_px": chosen.canvas_px,
            "epochs": chosen.epochs,
            "batch_size": 16,
            "precision": "32",
        },
        "evidence": {"replicates": 100, "overlays": 0},
    }
    return check_experiment(settings, where="benchmark")


if __name__ == "__main__":
    main()
