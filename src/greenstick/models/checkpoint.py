"""A checkpoint: a folder that is all a reader needs.

``model.safetensors`` (weights), ``model.onnx`` (the same network for any runtime) and
``card.json`` (what the network is, what it expects, how its output becomes a decision).
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from greenstick import RESEARCH_USE, __version__
from greenstick.errors import GreenstickError
from greenstick.files import write_text, write_whole
from greenstick.models.classifier import Classifier, ClassifierSettings, empty_classifier
from greenstick.models.export import export_onnx

WEIGHTS, NETWORK, CARD = "model.safetensors", "model.onnx", "card.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardCalibration(_Part):
    """Temperature scaling: probability = sigmoid or softmax of logits / temperature."""

    temperature: float = Field(default=1.0, gt=0.0)
    fitted_on: str
    n: int = Field(ge=0)


class CardOperatingPoint(_Part):
    """A threshold on the calibrated probability, and where it came from."""

    threshold: float
    rule: str
    chosen_on: str
    n: int = Field(ge=0)


class TrainingData(_Part):
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


class Card(_Part):
    """What a model is, what it expects and what becomes of its output."""

    name: str
    classifier: ClassifierSettings
    weights_origin: str = ""
    canvas_px: int = Field(gt=0)
    mean: tuple[float, ...] = Field(
        default=(), description="input statistics inside the network, for information"
    )
    std: tuple[float, ...] = ()
    flip_average: bool = False
    calibration: CardCalibration | None = None
    operating_points: tuple[CardOperatingPoint, ...] = ()
    training_data: TrainingData = TrainingData()
    license: str = ""
    created: str = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        description="UTC, ISO 8601",
    )
    greenstick: str = __version__
    research_use: str = RESEARCH_USE

    @property
    def backbone(self) -> str:
        """The timm name of the backbone."""
        return self.classifier.backbone

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return self.classifier.classes

    @property
    def pooling(self) -> str:
        """How cell logits become the image's logit."""
        return self.classifier.pooling

    @property
    def temperature(self) -> float:
        """The calibration's temperature; 1 where there is none."""
        return self.calibration.temperature if self.calibration else 1.0


def save_checkpoint(
    folder: Path | str, model: Classifier, card: Card, *, onnx: bool = True
) -> Path:
    """Write a checkpoint folder; files of an older one are replaced one by one, card last.

    A folder without a card is no checkpoint, so a killed writer leaves none half-made.

    Parameters
    ----------
    folder
        Made where it is missing.
    model, card
        What to write. What the card says of the network itself is taken from the model.
    onnx
        Whether to export ``model.onnx`` too (some seconds).

    Returns
    -------
    folder
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    write_weights(model, folder / WEIGHTS)
    if onnx:
        export_onnx(model, card.canvas_px, folder / NETWORK)
    write_card(folder, card.model_copy(update=_facts(model, card)))
    return folder


def write_weights(model: Classifier, path: Path) -> None:
    """Write a network's tensors as one safetensors file."""
    state = model.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_whole(path, lambda part: part.write_bytes(save(tensors, metadata={"format": "pt"})))


def load_checkpoint(folder: Path | str) -> tuple[Classifier, Card]:
    """Load a checkpoint's network (in evaluation mode, on the CPU) and its card.

    Raises
    ------
    GreenstickError
        Where the folder holds no checkpoint, or its parts do not belong together.
    """
    folder = Path(folder)
    card = read_card(folder)
    model = empty_classifier(card.classifier, origin=card.weights_origin)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = (str(error).splitlines() or ["unreadable"])[0]
        raise GreenstickError(
            f"{folder / WEIGHTS} does not hold the network that its card tells of ({first}).",
            remedy="Copy the whole model folder again.",
        ) from None
    return model.eval(), card


def read_card(folder: Path | str) -> Card:
    """Read a checkpoint's card.

    Raises
    ------
    GreenstickError
        Where there is none, or it is not a card.
    """
    path = Path(folder) / CARD
    try:
        return Card.model_validate_json(path.read_bytes())
    except OSError:
        raise GreenstickError(
            f"There is no model in {folder}.",
            remedy="Give a run folder, or a folder with model.safetensors and card.json.",
        ) from None
    except ValidationError as error:
        raise GreenstickError(
            f"{path} is not a model card of Greenstick {__version__} "
            f"({error.errors()[0]['loc']}: {error.errors()[0]['msg']}).",
            remedy="Export the model again with this version.",
        ) from None


def write_card(folder: Path | str, card: Card) -> None:
    """Write a checkpoint's card as indented JSON."""
    path = Path(folder) / CARD
    write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", path)


def _facts(model: Classifier, card: Card) -> dict[str, object]:
    weights = model.settings.weights
    if weights not in ("auto", "hub", "none"):
        weights = Path(weights).name  # a card tells nothing of the machine that made it
    return {
        "classifier": model.settings.model_copy(update={"weights": weights}),
        "mean": tuple(round(float(v), 6) for v in torch.flatten(model.mean)),
        "std": tuple(round(float(v), 6) for v in torch.flatten(model.std)),
        "weights_origin": card.weights_origin or model.origin,
    }
