"""Make one cohort of what others have: a folder a class, CSV, COCO, YOLO, Pascal VOC."""

from greenstick.cohorts.importers.importing import import_cohort
from greenstick.cohorts.importers.settings import ImportSettings, import_settings

__all__ = ["ImportSettings", "import_cohort", "import_settings"]
