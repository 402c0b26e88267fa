"""A cohort small enough to train on in seconds: a bright spot is a fracture."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from rich.console import Console

from greenstick.cohorts.cohort import make_cohort, write_cohort
from greenstick.evidence.evidence import Evidence
from greenstick.experiments.effort import Effort
from greenstick.experiments.experiment import Experiment, check_experiment
from greenstick.experiments.run import run_experiment

N = 60
RECIPE = {"canvas_px": 64, "epochs": 6, "batch_size": 8, "lr": 3e-3, "precision": "32"}

Experiments = Callable[..., Experiment]
Runs = Callable[..., Evidence]


@pytest.fixture(scope="session")
def experiment_on() -> Experiments:
    """Return what makes an experiment on a cohort's file, quick enough for a test."""

    def make(cohort: Path, **sections: Any) -> Experiment:
        settings = {
            "name": "spots",
            "cohort": str(cohort),
            "model": {"backbone": "test_resnet", "weights": "none"},
            "recipe": RECIPE,
            "split": {"fractions": [0.5, 0.25, 0.25]},
            "evidence": {"replicates": 200, "overlays": 6, "subgroups": ["site"]},
        }
        for name, section in sections.items():
            given = settings.get(name)
            both = {**given, **section} if isinstance(given, dict) and name != "split" else section
            settings[name] = both
        return check_experiment(settings, where="test")

    return make


@pytest.fixture(scope="session")
def run() -> Runs:
    """Return what runs an experiment in a folder, without a word, one fit at a time."""

    def run(experiment: Experiment, folder: Path, effort: Effort | None = None) -> Evidence:
        effort = effort or Effort(jobs=1)
        return run_experiment(
            experiment, folder, effort=effort, console=Console(file=io.StringIO())
        )

    return run


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENSTICK_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a cohort of 60 images of 40 patients; half have a spot, and its box."""
    folder = tmp_path_factory.mktemp("spots")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(N):
        patient = number % 40
        label = patient % 2
        pixels = rng.normal(90, 12, (72, 60))
        x, y = (int(v) for v in rng.integers(8, 40, 2))
        if label:
            pixels[y : y + 12, x : x + 12] += 120
        name = f"{number:03d}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
        box = {"x": float(x), "y": float(y), "width": 12.0, "height": 12.0, "class": None}
        rows.append(
            {
                "image": name,
                "patient": f"P{patient}",
                "label": label,
                "boxes": [box] if label else [],
                "site": "AB"[patient % 3 == 0],
            }
        )
    write_cohort(make_cohort(pl.DataFrame(rows), folder), folder / "cohort.parquet")
    return folder / "cohort.parquet"
