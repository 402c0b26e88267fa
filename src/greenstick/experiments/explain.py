"""Activation maps of test images, measured against boxes where there are any."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from greenstick.decision.calibration import Temperature
from greenstick.explanation.activation_maps import Heatmap, heatmap, measure
from greenstick.radiographs.canvas import Placement

SCHEMA = {
    "image": pl.String,
    "patient": pl.String,
    "peak_x": pl.Float64,  # original pixels
    "peak_y": pl.Float64,
    "peak_hit": pl.Boolean,  # null without boxes
    "mass_in_boxes": pl.Float64,
    "box_area_share": pl.Float64,
    "pixel_auroc": pl.Float64,
}

MAPS = "maps.npz"


def write_maps(path: Path, images: Sequence[str], maps: NDArray[np.float32]) -> None:
    """Keep maps of shape (n, h, w) until the pictures are drawn."""
    with path.open("wb") as file:
        np.savez(file, images=np.array(images), maps=maps)


def read_maps(paths: Sequence[Path]) -> dict[str, NDArray[np.float32]]:
    """Read what :func:`write_maps` kept, of several networks the mean: float32 (h, w) an image."""
    each = []
    for path in paths:
        with np.load(path, allow_pickle=False) as kept:
            images, maps = kept["images"].tolist(), kept["maps"]
        each.append(maps)
    mean: NDArray[np.float32] = np.mean(each, axis=0, dtype=np.float32)
    return dict(zip(images, mean, strict=True))


def explain(
    rows: pl.DataFrame,
    maps: NDArray[np.float32],
    temperature: Temperature,
    placements: Sequence[Placement],
) -> pl.DataFrame:
    """Return one row an image: where its map peaks, and how that agrees with its boxes.

    Parameters
    ----------
    rows
        Rows of a cohort.
    maps
        (n, h, w) cell logits.
    temperature
        The fold's.
    placements
        Where each original lies on its canvas.
    """
    return pl.DataFrame(
        [
            _explain(row, heatmap(cells, placement, temperature=temperature.value))
            for row, cells, placement in zip(
                rows.iter_rows(named=True), maps, placements, strict=True
            )
        ],
        schema=SCHEMA,
    )


def _explain(row: dict[str, Any], heat: Heatmap) -> dict[str, Any]:
    peak_x, peak_y = heat.peak
    found = {"image": row["image"], "patient": row["patient"], "peak_x": peak_x, "peak_y": peak_y}
    if row["label"] == 1 and row["boxes"]:
        boxes = [[box["x"], box["y"], box["width"], box["height"]] for box in row["boxes"]]
        found |= asdict(measure(heat, np.array(boxes)))
    return found
