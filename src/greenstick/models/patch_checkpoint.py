"""Restorers and patch residual networks on disk."""

from pathlib import Path

from pydantic import ValidationError

from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.models.card import CARD, NETWORK, Card, read_card, write_card
from greenstick.models.classifier import Prediction, empty_classifier
from greenstick.models.export import export_onnx
from greenstick.models.parts import WEIGHTS, facts_of, fill_weights, portable, write_weights
from greenstick.models.patch_residual import PatchResidual
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings

RESTORER_WEIGHTS, RESTORER = "restorer.safetensors", "restorer.json"


def save_restorer(folder: Path | str, restorer: Restorer) -> Path:
    """Write a restorer into a folder, the settings last: without them there is none."""
    folder = Path(folder)
    (folder / RESTORER).unlink(missing_ok=True)
    write_weights(restorer, folder / RESTORER_WEIGHTS)
    _write_settings(restorer, folder)
    return folder


def load_restorer(folder: Path | str) -> Restorer:
    """Load a restorer, in evaluation mode on the CPU.

    Raises
    ------
    GreenstickError
        Where the folder holds none.
    """
    folder = Path(folder)
    restorer = Restorer(_read_settings(folder))
    fill_weights(restorer, folder / RESTORER_WEIGHTS)
    return restorer.eval()


def save_patch_residual(
    folder: Path | str, model: PatchResidual, card: Card, *, onnx: bool = True
) -> Path:
    """Write a checkpoint folder that a reader runs as any other; the card last.

    Parameters
    ----------
    folder
        Made where it is missing.
    model, card
        What to write. What the card says of the network itself is taken from the model.
    onnx
        Whether to export ``model.onnx`` too: the whole network, restorations included.
    """
    folder = Path(folder)
    (folder / CARD).unlink(missing_ok=True)
    write_weights(model, folder / WEIGHTS)
    _write_settings(model.restorer, folder)
    if onnx:
        export_onnx(model, card.canvas_px, folder / NETWORK, outputs=Prediction._fields)
    classifier = model.classifier
    weights = portable(classifier.settings.weights)
    facts = {
        "classifier": classifier.settings.model_copy(update={"weights": weights}),
        **facts_of(classifier, card.weights_origin),
    }
    write_card(folder, card.model_copy(update=facts))
    return folder


def load_patch_residual(folder: Path | str) -> tuple[PatchResidual, Card]:
    """Load a patch residual network, in evaluation mode on the CPU, and its card.

    Raises
    ------
    GreenstickError
        Where the folder holds none.
    """
    folder = Path(folder)
    card = read_card(folder)
    restorer = Restorer(_read_settings(folder))
    model = PatchResidual(restorer, empty_classifier(card.classifier, origin=card.weights_origin))
    fill_weights(model, folder / WEIGHTS)
    return model.eval(), card


def _write_settings(restorer: Restorer, folder: Path) -> None:
    write_text(restorer.settings.model_dump_json(indent=2) + "\n", folder / RESTORER)


def _read_settings(folder: Path) -> RestorerSettings:
    try:
        return RestorerSettings.model_validate_json((folder / RESTORER).read_bytes())
    except (OSError, ValidationError):
        raise GreenstickError(
            f"There is no restorer in {folder}.",
            remedy="Train one on healthy images first, or copy the whole folder again.",
        ) from None
