"""A model's card: what it is, what it expects, how its output becomes a decision. No torch here."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.models.settings import ClassifierSettings

CARD, NETWORK = "card.json", "model.onnx"
#: What OpenVINO computes a network in.
Precision = Literal["f32", "bf16"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardCalibration(_Part):
    """Temperature scaling: probability = sigmoid or softmax of logits / temperature.

    Attributes
    ----------
    temperature
        Of all classes; of classes of which any may hold only where ``temperatures`` is empty.
    temperatures
        One a class, where any may hold: each has a sigmoid of its own.
    """

    temperature: float = Field(default=1.0, gt=0.0)
    temperatures: tuple[Annotated[float, Field(gt=0.0)], ...] = ()
    fitted_on: str
    n: int = Field(ge=0)


class CardOperatingPoint(_Part):
    """A threshold on the calibrated probability, and where it came from.

    Attributes
    ----------
    class_name
        Of several classes, the one whose probability is meant; empty: a fracture's.
    """

    threshold: float
    class_name: str = ""
    rule: str
    chosen_on: str
    n: int = Field(ge=0)


class BoxSides(_Part):
    """How large the boxes of the training fractures are: shares of the image's longer side.

    Of the root of each box's area, 5 % are smaller than ``low`` and 5 % larger than ``high``.
    """

    low: float = Field(gt=0.0)
    high: float = Field(gt=0.0)
    n: int = Field(ge=1)


class CardRegion(_Part):
    """The part of a film that a model looks at, and who says which.

    Attributes
    ----------
    source
        ``"detector"``, or ``"cohort"``: a column of the cohort it was trained on said it.
    detector
        Name of the one that travels with the model; empty: there is none.
    class_name
        The class of its boxes that is meant; empty: any.
    margin
        What is added at each edge of the square around the box, as a share of its side.
    unfound
        What becomes of a film on which nothing is found.
    """

    source: Literal["detector", "cohort"]
    detector: str = ""
    class_name: str = ""
    margin: float = Field(ge=0.0)
    unfound: Literal["not read", "whole image"] = "not read"


class TrainedOn(_Part):
    """What a model was trained on; no names, no patients.

    Attributes
    ----------
    fingerprint
        Digest over the training images' contents and labels: two models of equal fingerprint
        saw the same data.
    """

    fingerprint: str = ""
    n_images: int = Field(default=0, ge=0)
    n_patients: int = Field(default=0, ge=0)
    n_positive: int = Field(default=0, ge=0)
    source: str = ""


class CardMember(_Part):
    """One of the networks of an ensemble."""

    name: str
    classifier: ClassifierSettings
    weights_origin: str = ""


class Card(_Part):
    """What a model is, what it expects and what becomes of its output.

    Attributes
    ----------
    classifier
        The network; of an ensemble its first member's.
    members
        Of an ensemble; empty for one network. A member's name is what it was trained as.
    """

    name: str
    classifier: ClassifierSettings
    members: tuple[CardMember, ...] = ()
    weights_origin: str = ""
    canvas_px: int = Field(gt=0)
    mean: tuple[float, ...] = Field(
        default=(), description="input statistics inside the network, for information"
    )
    std: tuple[float, ...] = ()
    flip_average: bool = False
    calibration: CardCalibration | None = None
    operating_points: tuple[CardOperatingPoint, ...] = ()
    box_sides: BoxSides | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="what boxes around a heat map's regions are held to",
    )
    region: CardRegion | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="the part of a film that is looked at; none: all of it",
    )
    precision: Precision = Field(
        default="f32",
        exclude_if=lambda value: value == "f32",
        description="what OpenVINO computes the network in",
    )
    training_data: TrainedOn = TrainedOn()
    license: str = ""
    created: str = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        description="UTC, ISO 8601",
    )
    greenstick: str = __version__
    research_use: str = RESEARCH_USE

    @model_validator(mode="after")
    def _one_a_class(self) -> Self:
        temperatures = self.calibration.temperatures if self.calibration else ()
        if temperatures and len(temperatures) != len(self.classes):
            raise ValueError("calibration.temperatures: one a class")
        unknown = {point.class_name for point in self.operating_points} - {"", *self.classes}
        if unknown:
            raise ValueError(f"operating_points: no class {sorted(unknown)[0]!r}")
        return self

    @property
    def backbone(self) -> str:
        """The timm name of the backbone; of an ensemble each once, joined by plus signs."""
        members = [member.classifier.backbone for member in self.members]
        return " + ".join(dict.fromkeys(members or [self.classifier.backbone]))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return self.classifier.classes

    @property
    def pooling(self) -> str:
        """How cell logits become the image's logit."""
        return self.classifier.pooling

    @property
    def box_limits(self) -> tuple[float, float] | None:
        """What the sides of boxes are held to, in shares of the image's longer side."""
        return (self.box_sides.low, self.box_sides.high) if self.box_sides else None

    @property
    def temperature(self) -> float:
        """The calibration's temperature of all classes; 1 where there is none."""
        return self.calibration.temperature if self.calibration else 1.0

    def temperature_of(self, class_name: str) -> float:
        """Return what the logit of a class is divided by."""
        if self.calibration and self.calibration.temperatures:
            return self.calibration.temperatures[self.classes.index(class_name)]
        return self.temperature


def read_card(folder: Path | str) -> Card:
    """Read a checkpoint's card.

    Raises
    ------
    GreenstickError
        Where there is none, or it is not a card.
    """
    path = Path(folder) / CARD
    try:
        content = path.read_bytes()
        return Card.model_validate_json(content)
    except OSError:
        raise GreenstickError(
            f"There is no model in {folder}.",
            remedy="Give a run folder, or a folder with model.safetensors and card.json.",
        ) from None
    except ValidationError as error:
        if b'"kind": "detector"' in content:
            raise GreenstickError(
                f"{folder} holds a detector, and a classifier is wanted.",
                remedy="Give a classifier with --model, and the detector with --boxes-from; its "
                "boxes alone are found by 'greenstick detector find'.",
            ) from None
        raise GreenstickError(
            f"{path} is not a model card of Greenstick {__version__} "
            f"({error.errors()[0]['loc']}: {error.errors()[0]['msg']}).",
            remedy="Export the model again with this version.",
        ) from None


def write_card(folder: Path | str, card: BaseModel) -> None:
    """Write a checkpoint's card as indented JSON."""
    path = Path(folder) / CARD
    write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", path)
