"""A detector's checkpoint: weights, the same network as ONNX, and its card."""

from pathlib import Path

from greenstick.models.card import CARD, NETWORK, write_card
from greenstick.models.detector import Detections, Detector, empty_detector
from greenstick.models.detector_settings import DetectorCard, read_detector_card
from greenstick.models.export import export_onnx
from greenstick.models.parts import WEIGHTS, facts_of, fill_weights, portable, write_weights


def save_detector(
    folder: Path | str, model: Detector, card: DetectorCard, *, onnx: bool = True
) -> Path:
    """Write a checkpoint folder; files of an older one are replaced one by one, card last.

    Parameters
    ----------
    folder
        Made where it is missing.
    model, card
        What to write. What the card says of the network itself is taken from the model.
    onnx
        Whether to export ``model.onnx`` too: ``images`` (N, 1, S, S) in, ``boxes`` (N, K, 4) and
        ``logits`` (N, K, C) out, before merging.

    Returns
    -------
    folder
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    write_weights(model, folder / WEIGHTS)
    if onnx:
        export_onnx(model, card.seen_px, folder / NETWORK, outputs=Detections._fields)
    weights = portable(model.settings.weights)
    facts = {
        "detector": model.settings.model_copy(update={"weights": weights}),
        **facts_of(model, card.weights_origin),
    }
    write_card(folder, card.model_copy(update=facts))
    return folder


def load_detector(folder: Path | str) -> tuple[Detector, DetectorCard]:
    """Load a detector (in evaluation mode, on the CPU) and its card.

    Raises
    ------
    GreenstickError
        Where the folder holds no detector, or its parts do not belong together.
    """
    folder = Path(folder)
    card = read_detector_card(folder)
    model = empty_detector(card.detector, origin=card.weights_origin)
    fill_weights(model, folder / WEIGHTS)
    return model.eval(), card
