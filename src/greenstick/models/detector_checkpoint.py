"""A detector's checkpoint: weights, the same network as ONNX, and its card."""

from pathlib import Path

from greenstick.models.detector import Detections, Detector, empty_detector
from greenstick.models.detector_settings import DetectorCard, read_detector_card
from greenstick.models.parts import WEIGHTS, facts_of, fill_weights, portable, write_checkpoint


def save_detector(
    folder: Path | str, model: Detector, card: DetectorCard, *, onnx: bool = True
) -> Path:
    """Write a checkpoint folder; see :func:`~greenstick.models.parts.write_checkpoint`.

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
    facts = {"detector": portable(model.settings), **facts_of(model, card.weights_origin)}
    side = card.seen_px if onnx else None
    card = card.model_copy(update=facts)
    return write_checkpoint(folder, model, card, onnx_px=side, outputs=Detections._fields)


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
