"""A cohort small enough to train on in seconds: a bright spot is a fracture."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from greenstick.cohorts.cohort import make_cohort, write_cohort

N = 60


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
