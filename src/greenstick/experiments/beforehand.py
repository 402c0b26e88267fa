"""What cannot come to an end is refused before hours are spent on it."""

from collections.abc import Sequence

import polars as pl

from greenstick.cohorts.cohort import SPLITS, Cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.deciding import OWN_COLUMNS
from greenstick.experiments.experiment import Experiment
from greenstick.findings import Finding, Severity
from greenstick.models.classifier import FROM_SCRATCH, build_classifier
from greenstick.models.settings import ClassifierSettings
from greenstick.models.weights import FOLDER_VARIABLE
from greenstick.training.checks import check_settings
from greenstick.training.labels import class_labels


def check_networks(experiment: Experiment) -> list[Finding]:
    """Refuse networks that cannot be, and weights that cannot be had or do not fit.

    Returns
    -------
    findings
        Of networks that begin from scratch since there are no weights for them.

    Raises
    ------
    GreenstickError
        Saying what cannot be.
    """
    origins: dict[tuple[str, str], str] = {}
    for name in experiment.names:
        own = experiment.variant(name)
        settings = own.network(name)
        if settings.peer:
            continue
        check_settings(own.recipe, settings)
        if (settings.backbone, settings.weights) not in origins:
            built = build_classifier(settings)
            origins[settings.backbone, settings.weights] = built.origin
    lacking = [
        backbone
        for (backbone, weights), origin in origins.items()
        if weights == "auto" and origin.startswith(FROM_SCRATCH)
    ]
    if not lacking:
        return []
    return [
        Finding(
            "no-pretrained-weights",
            Severity.WARNING,
            f"There are no pretrained weights of {', '.join(lacking)} here: it learns from "
            "scratch, which takes far more images.",
            remedy="Connect to the network once, or name a folder that holds them in "
            f"${FOLDER_VARIABLE}; set model.weights to 'none' where that is meant.",
        )
    ]


def check_subgroups(cohort: Cohort, columns: Sequence[str]) -> None:
    """Refuse columns that test rows cannot be judged by.

    Raises
    ------
    GreenstickError
        Where the cohort has no such column, or the run's scores have one of that name.
    """
    known = [name for name in cohort.table.columns if name not in OWN_COLUMNS]
    if wrong := [name for name in columns if name not in known]:
        why = "names a column of the run's own scores" if wrong[0] in OWN_COLUMNS else "is unknown"
        raise GreenstickError(
            f"Nothing can be judged by the column {wrong[0]!r} of evidence.subgroups: it {why}.",
            remedy=f"Take one of the cohort's: {', '.join(known)}.",
        )


def check_split(splits: pl.DataFrame, cohort: Cohort, settings: ClassifierSettings) -> None:
    """Refuse a split that lacks a side, or has rows of none of the classes.

    Raises
    ------
    GreenstickError
        Saying which.
    """
    for side in SPLITS:
        if side not in splits["split"]:
            raise GreenstickError(
                f"The split has no {side} images.",
                remedy="Look at split.fractions, or at the column that split.column names.",
            )
    used = cohort.table.join(splits.select("image").unique(), on="image", how="semi")
    class_labels(used, settings)
