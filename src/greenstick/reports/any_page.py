"""The page that fits what a folder holds."""

from collections.abc import Callable, Mapping
from pathlib import Path

from greenstick.reports.classes_page import write_classes_page
from greenstick.reports.comparison_page import write_comparison_page
from greenstick.reports.detection_page import write_detection_page
from greenstick.reports.page import write_report
from greenstick.reports.readers_page import write_readers_page

#: What a folder without a run's evidence may hold, and what writes its page.
_WRITERS: Mapping[str, Callable[[Path], Path]] = {
    "classes.json": write_classes_page,
    "comparison.json": write_comparison_page,
    "detection.json": write_detection_page,
    "readers.json": write_readers_page,
}


def write_any_page(folder: Path) -> Path:
    """Write the page of whatever a folder holds, and return its path.

    A run, the scores of one or several classes, a comparison, a detector's boxes, or a reader
    study. Where boxes were judged into a run's folder, their page is written beside the run's.

    Raises
    ------
    GreenstickError
        Where the folder holds none of these, or a file in it is damaged.
    """
    ours = (folder / name for name in ("evidence.json", "experiment.toml"))
    if not any(file.is_file() for file in ours):
        for name, write in _WRITERS.items():
            if (folder / name).is_file():
                return write(folder)
    elif (folder / "detection.json").is_file():
        write_detection_page(folder)
    return write_report(folder)
