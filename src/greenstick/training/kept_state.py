"""Where a training of steps stands, as one file of tensors: it goes on as if it had not stopped."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from greenstick.files import write_whole

Part = nn.Module | torch.optim.Optimizer


def write_state(path: Path, parts: Mapping[str, Part], facts: Mapping[str, str]) -> None:
    """Write networks and optimizers, whole or not at all.

    Parameters
    ----------
    path
        A .safetensors file.
    parts
        By names without a colon.
    facts
        What else is to be known, e.g. the step.
    """
    tensors = {
        f"{name}:{key}": value.detach().contiguous().clone()
        for name, part in parts.items()
        for key, value in _tensors(part).items()
    }
    write_whole(path, lambda file: file.write_bytes(save(tensors, dict(facts))))


def read_state(path: Path, parts: Mapping[str, Part]) -> dict[str, str] | None:
    """Fill networks and optimizers as :func:`write_state` left them; return the facts.

    None, and nothing is filled, where there is no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    for name, part in parts.items():
        mine = {
            key.removeprefix(f"{name}:"): value
            for key, value in tensors.items()
            if key.startswith(f"{name}:")
        }
        _fill(part, mine)
    return facts


def _tensors(part: Part) -> dict[str, Tensor]:
    if isinstance(part, nn.Module):
        return dict(part.state_dict())
    state = part.state_dict()["state"]
    return {f"{number}.{key}": value for number, of in state.items() for key, value in of.items()}


def _fill(part: Part, tensors: dict[str, Tensor]) -> None:
    if isinstance(part, nn.Module):
        part.load_state_dict(tensors)
        return
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    part.load_state_dict({**part.state_dict(), "state": state})
