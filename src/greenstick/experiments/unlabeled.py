"""Images without a label: set aside by the audit, and learned from where the recipe says so."""

import polars as pl

from greenstick.cohorts.cohort import Cohort, read_cohort, write_cohort
from greenstick.cohorts.pixels import PixelStore
from greenstick.experiments.jobs import Job
from greenstick.experiments.regions import regions_of
from greenstick.experiments.run_folder import RunFolder
from greenstick.training.samples import Rows, unlabeled_rows

UNLABELED = "unlabeled.parquet"


def set_aside(run: RunFolder, cohort: Cohort) -> pl.DataFrame:
    """Keep the rows without a label that may be learned from; return them.

    Where the cohort brings a split, these are its training rows; else any may.

    Parameters
    ----------
    run
        Where they are kept, as a cohort of their own.
    cohort
        All rows that passed the audit.
    """
    rows = cohort.table.filter(pl.col("label").is_null())
    if cohort.table["split"].null_count() < len(cohort):
        rows = rows.filter(pl.col("split") == "train")
    write_cohort(cohort.with_table(rows), run / UNLABELED)
    return rows


def unlabeled_of(run: RunFolder, job: Job, cohort: Cohort, store: PixelStore) -> Rows | None:
    """Return what a job may learn from without labels; None where its recipe wants none.

    Patients of the job's validation and test rows are left out, and files that cannot be read.
    """
    if not job.settings.recipe.unlabeled_weight:
        return None
    others = read_cohort(run / UNLABELED)
    judged = job.images.filter(pl.col("split") != "train").select("image")
    patients = cohort.with_table(cohort.table.join(judged, on="image", how="semi")).patients()
    free = ~others.patients().is_in(patients.to_list())
    mine = others.with_table(others.table.filter(free))
    added = store.add(mine.paths(), regions=regions_of(mine.table))
    return unlabeled_rows([key for key in added.keys if key is not None])
