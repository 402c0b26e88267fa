"""Import a cohort, whatever it comes as."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from greenstick.cohorts.cohort import Cohort, make_cohort
from greenstick.cohorts.importers.coco import import_coco
from greenstick.cohorts.importers.computed import with_columns, with_patients
from greenstick.cohorts.importers.csv_table import import_csv
from greenstick.cohorts.importers.folders import import_folders
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.joined_boxes import with_boxes
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.errors import GreenstickError

FORMATS: dict[str, Callable[[Path, ImportSettings], Imported]] = {
    "folders": import_folders,
    "csv": import_csv,
    "coco": import_coco,
}


def import_cohort(source: Path, settings: ImportSettings) -> Cohort:
    """Make a cohort of a folder or a file of annotations.

    Parameters
    ----------
    source
        A folder with a folder a class, a CSV file, a COCO JSON file, a YOLO folder or its
        ``data.yaml``, or a folder with Pascal VOC XML files.
    settings
        How to understand it.

    Returns
    -------
    Cohort
        Its ``root`` is the folder of the images; ``write_cohort`` makes paths relative to the
        file. ``notes`` say what was left out or taken for granted.

    Raises
    ------
    GreenstickError
        Where the source is missing or cannot be understood.
    """
    if not source.exists():
        raise GreenstickError(f"There is no {source}.", remedy="Check the path.")
    name = told_format(source) if settings.format == "auto" else settings.format
    imported = FORMATS[name](source, settings)
    if settings.boxes:
        imported = with_boxes(imported, settings.boxes, settings)
    if settings.patient_pattern:
        imported = with_patients(imported, settings.patient_pattern)
    imported = with_columns(imported, settings.columns)
    cohort = make_cohort(imported.table, imported.root)
    return replace(cohort, notes=(*imported.notes, *_one_class(cohort)))


def told_format(source: Path) -> str:
    """Tell the format by the source's name and what is in it."""
    if source.is_file():
        return "csv"
    return "folders"


def _one_class(cohort: Cohort) -> list[str]:
    labels = cohort.table["label"].drop_nulls().unique().to_list()
    if len(labels) != 1:
        return []
    what = "with a fracture" if labels == [1] else "without a fracture"
    return [f"All images are {what}: no classifier can be trained or tested on them alone."]
