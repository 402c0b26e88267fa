"""What every kind of checkpoint is written from and read back by."""

from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from greenstick.errors import GreenstickError
from greenstick.files import write_whole

WEIGHTS = "model.safetensors"


class _Network(Protocol):
    """A network that knows its input's statistics and where its weights came from."""

    mean: Tensor
    std: Tensor
    origin: str


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


def portable(weights: str) -> str:
    """Return how a card calls initial weights: it tells nothing of the machine that made it."""
    return weights if weights in ("auto", "hub", "none") else Path(weights).name
