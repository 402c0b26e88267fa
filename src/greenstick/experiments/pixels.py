"""The pixels of a run's images: decoded once, found again by any worker."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.pixels import PixelStore, Progress, open_pixel_store
from greenstick.experiments.regions import regions_of
from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.radiographs.canvas import Placement


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixel store, and the key of each image in it."""

    store: PixelStore
    keys: dict[str, bytes]

    def keys_of(self, rows: pl.DataFrame) -> list[bytes]:
        """Return the key of each row."""
        return [self.keys[image] for image in rows["image"]]

    def placements(self, rows: pl.DataFrame) -> list[Placement]:
        """Return where each row's original lies on its canvas."""
        return [self.store.placement(key) for key in self.keys_of(rows)]


def decode(run: RunFolder, cohort: Cohort, canvas_px: int, progress: Progress | None = None) -> int:
    """Decode what is not in the store yet, and note each image's key; returns how many it was.

    Raises
    ------
    GreenstickError
        Where an image cannot be read.
    """
    store = open_pixel_store(canvas_px=canvas_px)
    added = store.add(cohort.paths(), regions=regions_of(cohort.table), progress=progress)
    remedy = "Set audit.on_error to drop, or mend the files; then start with --overwrite."
    found = added.every_key(cohort.table["image"].to_list(), remedy=remedy)
    keys = pl.Series("key", found, dtype=pl.Binary)
    write_table(cohort.table.select("image", keys), _keys(run, canvas_px))
    return added.decoded


def pixels_of(run: RunFolder, cohort: Cohort, canvas_px: int) -> Pixels:
    """Return what :func:`decode` noted; on another machine, the store is filled there first."""
    store = open_pixel_store(canvas_px=canvas_px)
    noted = pl.read_parquet(_keys(run, canvas_px))
    if any(key not in store for key in noted["key"]):
        store.add(cohort.paths(), regions=regions_of(cohort.table))
    return Pixels(store, dict(noted.select("image", "key").iter_rows()))


def _keys(run: RunFolder, canvas_px: int) -> Path:
    return run.work(f"pixels-{canvas_px}.parquet")
