"""What every result has in common: who made it, its numbers, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from greenstick import __version__
from greenstick.reading.dicom_results.kinds import Kind
from greenstick.reading.dicom_results.source import Source

MANUFACTURER = "Greenstick"
#: Behind a modality's own series, and apart from one another.
_SERIES_NUMBERS: dict[Kind, int] = {"sr": 9101, "sc": 9102, "pr": 9103}
_DESCRIPTIONS: dict[Kind, str] = {
    "sr": "Greenstick report (research use only)",
    "sc": "Greenstick overlay (research use only)",
    "pr": "Greenstick marks (research use only)",
}
#: Of Greenstick's UIDs; never to be changed, or a second reading would double results.
_NAMESPACE = UUID("5f3b6d0e-6a55-4c0e-9f0e-2d6b7f1f4a11")


@dataclass(frozen=True, eq=False)
class Frame:
    """A result's place among others: the same file and model give the same UIDs each time.

    Attributes
    ----------
    source
        The file that was read.
    model
        Facts of the model, with ``name`` and ``digest``.
    made
        When the result was made.
    """

    source: Source
    model: Mapping[str, Any]
    made: datetime

    def uid(self, *parts: str) -> str:
        """Return a UID that depends on the parts, the model's digest and the version alone."""
        text = "/".join((*parts, str(self.model["digest"]), __version__))
        return f"2.25.{uuid5(_NAMESPACE, text).int}"

    def instance(self, kind: Kind) -> dict[str, Any]:
        """Return highdicom's arguments that place an instance: one series a study and kind."""
        return {
            "series_instance_uid": self.uid("series", kind, self.source.image.StudyInstanceUID),
            "series_number": _SERIES_NUMBERS[kind],
            "series_description": _DESCRIPTIONS[kind],
            "sop_instance_uid": self.uid("instance", kind, self.source.uid),
            "instance_number": self.source.number,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": str(self.model["name"])[:64],
            "software_versions": __version__,
            "device_serial_number": str(self.model["digest"])[:64],
            "specific_character_set": "ISO_IR 192",
        }

    def finish(self, result: Dataset) -> Dataset:
        """Give a result its patient, study and time, and return it."""
        result.update(self.source.identity)
        if result.Modality != "SR" and "ImageLaterality" not in result:
            result.Laterality = ""  # required, but films of both sides share the series
        for keyword in ("InstanceCreation", "Content", "PresentationCreation"):
            if f"{keyword}Date" in result:
                setattr(result, f"{keyword}Date", DA(self.made.date()))
                setattr(result, f"{keyword}Time", TM(self.made.time().replace(microsecond=0)))
        return result
