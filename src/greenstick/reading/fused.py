"""A folder that reads by two models: a classifier, a detector, and how their scores become one.

It is a classifier's model folder with the detector in ``boxes/`` and ``fusion.json`` beside.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from greenstick import RESEARCH_USE, __version__
from greenstick.decision.fusion import Fusion
from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.models.card import CardOperatingPoint

FUSED, BOXES = "fusion.json", "boxes"


class Fused(BaseModel):
    """What ``fusion.json`` holds.

    Attributes
    ----------
    classifier, detector
        Their names.
    fusion
        Of the classifier's calibrated probability and the detector's best box, in this order.
    operating_points
        Thresholds on the fused probability, in the place of the classifier's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classifier: str
    detector: str
    fusion: Fusion
    operating_points: tuple[CardOperatingPoint, ...]
    greenstick: str = __version__
    research_use: str = RESEARCH_USE

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read a folder's; None where it has none.

        Raises
        ------
        GreenstickError
            Where the file is something else.
        """
        path = folder / FUSED
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise GreenstickError(
                f"{path} is not the fusion of Greenstick {__version__} "
                f"({error.errors()[0]['loc']}: {error.errors()[0]['msg']}).",
                remedy="Fuse the models again: greenstick detector fuse.",
            ) from None

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        write_text(self.model_dump_json(indent=2) + "\n", folder / FUSED)
