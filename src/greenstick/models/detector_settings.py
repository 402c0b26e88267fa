"""Which detector, as settings, and its card; no torch, so that a card is quick to read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError
from greenstick.models.card import CARD, CardOperatingPoint, Precision, TrainedOn
from greenstick.models.finding import Manner


class DetectorSettings(BaseModel):
    """Which detector, and where its weights come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field(
        default="mobilenetv2_100",
        description="any timm model with stages of strides 8, 16 and 32, yolox_nano, or one of "
        "another library, as :mod:`greenstick.models.detector_backends` lists them",
    )
    classes: tuple[str, ...] = Field(
        default=("fracture",), min_length=1, description="what boxes are around"
    )
    weights: str = Field(
        default="auto",
        description="as a classifier's, or the folder of a classifier's checkpoint to start from; "
        "for yolox_nano its .onnx file, for YOLOv8 a .safetensors file, for D-FINE and RT-DETR a "
        "folder of theirs",
    )
    batch_norm: Literal["keep", "fold"] = Field(
        default="keep",
        description="fold: into the convolutions before training (quicker; pretrained only)",
    )
    width: int = Field(
        default=96, ge=8, multiple_of=8, description="channels of the pyramid and of the head"
    )
    depth: int = Field(default=2, ge=1, description="convolutions in each branch of the head")

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes) or not all(classes):
            raise ValueError("give each class once, by a name")
        return classes


class DetectorAnswer(BaseModel):
    """How the score of a detector's best box becomes an answer on the whole image.

    Attributes
    ----------
    slope, intercept
        The probability of a fracture is sigmoid(slope * logit of the score + intercept).
    fitted_on, n, n_positive
        Name of the images that it was fitted on, how many they were, and with a fracture.
    operating_points
        Thresholds on this probability.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slope: float = Field(gt=0.0)
    intercept: float
    fitted_on: str
    n: int = Field(ge=0)
    n_positive: int = Field(ge=0)
    operating_points: tuple[CardOperatingPoint, ...] = Field(min_length=1)


class DetectorCard(BaseModel):
    """What a detector is, what it expects and what becomes of its output.

    Attributes
    ----------
    operating_points
        Confidences from which a box is shown, on the detector's own scores.
    answer
        How it answers by itself; None for one that only points.
    merge_iou
        Boxes that overlap a surer one by more are dropped.
    tile_px
        Side of the overlapping tiles of the canvas that it looks at one by one; 0: all at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["detector"] = "detector"
    name: str
    detector: DetectorSettings
    weights_origin: str = ""
    canvas_px: int = Field(gt=0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    flip_average: bool = False
    merge_iou: float = Field(default=0.5, gt=0.0, le=1.0)
    tile_px: int = Field(default=0, ge=0, multiple_of=32)
    operating_points: tuple[CardOperatingPoint, ...] = ()
    precision: Precision = Field(
        default="f32",
        exclude_if=lambda value: value == "f32",
        description="what OpenVINO computes the network in",
    )
    answer: DetectorAnswer | None = Field(default=None, exclude_if=lambda value: value is None)
    training_data: TrainedOn = TrainedOn()
    license: str = ""
    created: str = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        description="UTC, ISO 8601",
    )
    greenstick: str = __version__
    research_use: str = RESEARCH_USE

    @property
    def seen_px(self) -> int:
        """Side of what the network sees at once: a tile, or the whole canvas."""
        return min(self.tile_px or self.canvas_px, self.canvas_px)


def manner_of(card: DetectorCard) -> Manner:
    """Return how a detector looks at a canvas, as its card says."""
    return Manner(flip=card.flip_average, tile_px=card.tile_px, iou=card.merge_iou)


def is_detector(card: Path) -> bool:
    """Return whether a card's file is a detector's."""
    try:
        return bool(json.loads(card.read_bytes()).get("kind") == "detector")
    except (OSError, ValueError, AttributeError):
        return False  # whoever reads it says what is wrong with it


def read_detector_card(folder: Path | str) -> DetectorCard:
    """Read a detector's card.

    Raises
    ------
    GreenstickError
        Where there is none, or it is not a detector's.
    """
    path = Path(folder) / CARD
    try:
        return DetectorCard.model_validate_json(path.read_bytes())
    except OSError:
        raise GreenstickError(
            f"There is no detector in {folder}.",
            remedy="Give a folder with model.safetensors and card.json.",
        ) from None
    except ValidationError as error:
        raise GreenstickError(
            f"{path} is not the card of a detector of Greenstick {__version__} "
            f"({error.errors()[0]['loc']}: {error.errors()[0]['msg']}).",
            remedy="Is it a classifier's? Else train the detector again with this version.",
        ) from None
