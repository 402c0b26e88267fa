"""Import a cohort, whatever it comes as."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from greenstick.cohorts.cohort import Cohort, make_cohort
from greenstick.cohorts.importers.coco import import_coco
from greenstick.cohorts.importers.computed import with_columns, with_patients
from greenstick.cohorts.importers.csv_boxes import box_columns, import_csv_boxes
from greenstick.cohorts.importers.csv_table import import_csv, read_text_table
from greenstick.cohorts.importers.files import files_in
from greenstick.cohorts.importers.folders import import_folders
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.joined_boxes import with_boxes
from greenstick.cohorts.importers.joined_regions import with_region_columns
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.cohorts.importers.voc import import_voc
from greenstick.cohorts.importers.yolo import import_yolo
from greenstick.errors import GreenstickError

FORMATS: dict[str, Callable[[Path, ImportSettings], Imported]] = {
    "folders": import_folders,
    "csv": import_csv,
    "csv-boxes": import_csv_boxes,
    "coco": import_coco,
    "yolo": import_yolo,
    "voc": import_voc,
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
    if settings.format == "auto" and name == "csv" and _lists_boxes(source, settings):
        name = "csv-boxes"
    _refuse_unused(name, source, settings)
    imported = _imported(name, source, settings)
    if settings.boxes:
        imported = with_boxes(imported, settings.boxes, settings)
    if settings.regions:
        imported = with_region_columns(imported, settings.regions, settings.region_class)
    if settings.patient_pattern:
        imported = with_patients(imported, settings.patient_pattern)
    imported = with_columns(imported, settings.columns)
    cohort = make_cohort(imported.table, imported.root)
    return replace(cohort, notes=(*imported.notes, *_one_class(cohort)))


def _refuse_unused(name: str, source: Path, settings: ImportSettings) -> None:
    """Refuse what would be passed over without a word."""
    if settings.classes and name in ("folders", "csv") and not settings.boxes:
        raise GreenstickError(
            f"There are no classes of boxes to rename in {source}.",
            remedy="Leave out --class, or give the boxes too.",
        )
    column = settings.patient_column or settings.fracture_type_column
    if column and name not in ("csv", "csv-boxes"):
        raise GreenstickError(
            f"{source} is imported as {name}: there is no column {column!r}.",
            remedy="Leave the option out; --patient-pattern finds patients in the images' paths.",
        )


def _imported(name: str, source: Path, settings: ImportSettings) -> Imported:
    try:
        return FORMATS[name](source, settings)
    except GreenstickError as error:
        if settings.format != "auto" or source.is_file() or name == "folders":
            raise
        told = f"What lies in it made it pass for {name}; --format says otherwise."
        raise GreenstickError(error.message, remedy=f"{error.remedy} {told}") from None


def told_format(source: Path) -> str:
    """Tell the format by the source's name and, for a folder, by what is in it.

    Raises
    ------
    GreenstickError
        Where a file has none of the known suffixes.
    """
    if source.is_file():
        known = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "coco"}
        known |= {".yaml": "yolo", ".yml": "yolo"}
        if source.suffix.lower() not in known:
            raise GreenstickError(
                f"The format of {source.name} is not told by its suffix.",
                remedy=f"Say it with --format: {', '.join(FORMATS)}.",
            )
        return known[source.suffix.lower()]
    files = files_in(source)
    if any(file.endswith("_annotations.coco.json") for file in files):
        return "coco"
    if any(file.endswith(".xml") for file in files):
        return "voc"
    if any("labels" in file.split("/")[:-1] and file.endswith(".txt") for file in files):
        return "yolo"
    return "folders"


def _lists_boxes(source: Path, settings: ImportSettings) -> bool:
    """Tell whether a CSV has the columns of a box, and none for an image's label."""
    columns = read_text_table(source).columns
    return settings.label_column not in columns and box_columns(columns) is not None


def _one_class(cohort: Cohort) -> list[str]:
    labels = cohort.table["label"].drop_nulls().unique().to_list()
    if len(labels) != 1:
        return []
    what = "with a fracture" if labels == [1] else "without a fracture"
    return [f"All images are {what}: no classifier can be trained or tested on them alone."]
