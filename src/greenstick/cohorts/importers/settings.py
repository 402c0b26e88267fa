"""What an import may be told."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from greenstick.cohorts.checked import checked

Format = Literal["auto", "folders", "csv", "csv-boxes", "coco", "yolo", "voc"]


class ImportSettings(BaseModel):
    """How a source is made into a cohort."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format = Field(
        "auto", description="folders, csv, csv-boxes, coco, yolo, voc; auto: told by what is there"
    )
    images: Path | None = Field(
        None, description="folder of the images; left out: the source's own folder"
    )
    boxes: Path | None = Field(None, description="COCO file whose boxes are joined by file name")
    regions: Path | None = Field(
        None, description="COCO file whose boxes say what of each image to look at, by file name"
    )
    region_class: str = Field(
        "", description="the class of those boxes that is meant; left out: any"
    )
    image_column: str = Field("image", description="csv: column with the image's file name")
    label_column: str = Field("label", description="csv: column with the label")
    patient_column: str | None = Field(
        None, description="csv: column with the patient; left out: 'patient', if there is one"
    )
    fracture_type_column: str | None = Field(
        None, description="csv: column with the type; left out: 'fracture_type', if there is one"
    )
    positive: tuple[str, ...] = Field(
        (), description="class names that mean a fracture; * and ? stand for any letters"
    )
    negative: tuple[str, ...] = Field(
        (), description="class names that mean no fracture; * and ? stand for any letters"
    )
    classes: dict[str, str] = Field(
        {}, description="new names of classes; classes of one new name become one"
    )
    patient_pattern: str | None = Field(
        None, description="regular expression searched in the image's path; group 1 is the patient"
    )
    columns: dict[str, str] = Field(
        {}, description="further columns: name to SQL expression, computed in this order"
    )
    skip_missing: bool = Field(False, description="leave out listed images that are not there")
    unlisted_are_negative: bool = Field(
        False,
        description="coco, yolo, voc: images that no annotation file lists have no fracture; "
        "else they are left out",
    )


def import_settings(**values: Any) -> ImportSettings:
    """Return settings of the values given; those that are None keep their default.

    Raises
    ------
    GreenstickError
        Where a value does not fit, naming the setting.
    """
    return checked(ImportSettings, "Import", "greenstick cohort import --help", values)
