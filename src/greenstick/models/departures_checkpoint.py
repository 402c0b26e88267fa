"""Models of healthy images alone on disk: a folder that a reader runs as any other."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.models.autoencoder import Autoencoder
from greenstick.models.card import Card, read_card
from greenstick.models.classifier import Prediction, empty_classifier
from greenstick.models.departures import Departures, RestoredDepartures
from greenstick.models.feature_memory import FeatureMemory
from greenstick.models.parts import WEIGHTS, fill_weights, portable, write_checkpoint
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings
from greenstick.models.settings import ClassifierSettings

KIND = "departures.json"


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Memory(_Kind):
    kind: Literal["memory"] = "memory"
    features: int


class _Autoencoder(_Kind):
    kind: Literal["autoencoder"] = "autoencoder"
    width: int
    code: int


class _Restored(_Kind):
    kind: Literal["restored"] = "restored"
    restorer: RestorerSettings


_KINDS: TypeAdapter[_Memory | _Autoencoder | _Restored] = TypeAdapter(
    Annotated[_Memory | _Autoencoder | _Restored, Field(discriminator="kind")]
)


def save_departures(
    folder: Path | str, model: Departures, card: Card, *, onnx: bool = True
) -> Path:
    """Write a checkpoint folder; see :func:`~greenstick.models.parts.write_checkpoint`.

    Parameters
    ----------
    folder
        Made where it is missing.
    model, card
        What to write. The card's ``classifier`` is that of a memory's backbone; of the others its
        ``backbone`` says what they are.
    onnx
        Whether to write ``model.onnx`` too, which a reader needs.

    Returns
    -------
    folder
    """
    kind = _kind_of(model)
    text = kind.model_dump_json(indent=2) + "\n"
    if isinstance(model, FeatureMemory):
        settings, origin = portable(model.network.settings), model.network.origin
    else:
        settings = ClassifierSettings(backbone=kind.kind, weights="none")
        origin = "healthy images alone"
    return write_checkpoint(
        folder,
        model,
        card.model_copy(update={"classifier": settings, "weights_origin": origin}),
        onnx_px=card.canvas_px if onnx else None,
        outputs=Prediction._fields,
        beside=lambda made: write_text(text, made / KIND),
    )


def load_departures(folder: Path | str) -> tuple[Departures, Card]:
    """Load a model, in evaluation mode on the CPU, and its card.

    Raises
    ------
    GreenstickError
        Where the folder holds none, or its parts do not belong together.
    """
    folder = Path(folder)
    card = read_card(folder)
    try:
        kind = _KINDS.validate_json((folder / KIND).read_bytes())
    except (OSError, ValidationError):
        raise GreenstickError(
            f"{folder} holds no model of healthy images alone.",
            remedy="Copy the whole folder again, or load it as what its card tells.",
        ) from None
    model: Departures
    if isinstance(kind, _Memory):
        network = empty_classifier(card.classifier, origin=card.weights_origin)
        model = FeatureMemory(network, kind.features)
    elif isinstance(kind, _Autoencoder):
        model = Autoencoder(kind.width, kind.code)
    else:
        model = RestoredDepartures(Restorer(kind.restorer))
    fill_weights(model, folder / WEIGHTS)
    return model.eval(), card


def _kind_of(model: Departures) -> _Memory | _Autoencoder | _Restored:
    if isinstance(model, FeatureMemory):
        return _Memory(features=len(model.memory))
    if isinstance(model, Autoencoder):
        return _Autoencoder(width=model.width, code=model.code)
    assert isinstance(model, RestoredDepartures)
    return _Restored(restorer=model.restorer.settings)
