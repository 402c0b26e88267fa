"""What every kind of checkpoint is written from and read back by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from greenstick.errors import GreenstickError
from greenstick.files import write_whole
from greenstick.models.card import CARD, NETWORK, write_card
from greenstick.models.detector_settings import DetectorSettings
from greenstick.models.export import export_onnx
from greenstick.models.settings import NAMED_WEIGHTS, ClassifierSettings

WEIGHTS = "model.safetensors"


class _Network(Protocol):
    """A network that knows its input's statistics and where its weights came from."""

    mean: Tensor
    std: Tensor
    origin: str


Settings = TypeVar("Settings", ClassifierSettings, DetectorSettings)


def write_checkpoint(
    folder: Path | str,
    model: nn.Module,
    card: BaseModel,
    *,
    onnx_px: int | None,
    outputs: Sequence[str] = (),
    beside: Callable[[Path], None] | None = None,
) -> Path:
    """Write a checkpoint folder; files of an older one are replaced one by one, card last.

    A folder without a card is no checkpoint, so a killed writer leaves none half-made.

    Parameters
    ----------
    folder
        Made where it is missing.
    model, card
        What to write.
    onnx_px, outputs
        Side of the images of ``model.onnx`` and names of what it gives, as of
        :func:`~greenstick.models.export.export_onnx`; without a side none is written.
    beside
        Writes into the folder what only this kind of checkpoint holds.

    Returns
    -------
    folder
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    write_weights(model, folder / WEIGHTS)
    if beside is not None:
        beside(folder)
    if onnx_px is not None:
        export_onnx(model, onnx_px, folder / NETWORK, outputs=outputs)
    write_card(folder, card)
    return folder


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a network's tensors as one safetensors file."""
    state = model.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_whole(path, lambda part: part.write_bytes(save(tensors, metadata={"format": "pt"})))


def fill_weights(model: nn.Module, path: Path) -> None:
    """Fill a network with the tensors of a safetensors file.

    Raises
    ------
    GreenstickError
        Where the file is missing or damaged, or holds another network.
    """
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = (str(error).splitlines() or ["unreadable"])[0]
        raise GreenstickError(
            f"{path} does not hold the network that is told of beside it ({first}).",
            remedy="Copy the whole model folder again.",
        ) from None


def facts_of(model: _Network, told_origin: str) -> dict[str, object]:
    """Return what a card says of a network's input and of where its weights came from.

    Parameters
    ----------
    model
        The network.
    told_origin
        What the card says already; it is kept where it says anything.
    """
    return {
        "mean": tuple(round(float(v), 6) for v in torch.flatten(model.mean)),
        "std": tuple(round(float(v), 6) for v in torch.flatten(model.std)),
        "weights_origin": told_origin or model.origin,
    }


def portable(settings: Settings) -> Settings:
    """Return a network's settings as a card has them.

    Of the initial weights, a setting ``weights``, it tells nothing of the machine that made it.
    """
    known = settings.weights in NAMED_WEIGHTS
    weights = settings.weights if known else Path(settings.weights).name
    return settings.model_copy(update={"weights": weights})
