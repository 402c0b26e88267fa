"""A checkpoint: a folder that is all a reader needs.

``model.safetensors`` (weights), ``model.onnx`` (the same network for any runtime) and
``card.json`` (what the network is, what it expects, how its output becomes a decision).
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.models.card import CARD, NETWORK, Card, read_card, write_card
from greenstick.models.classifier import Classifier, empty_classifier
from greenstick.models.export import export_onnx

WEIGHTS = "model.safetensors"


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
