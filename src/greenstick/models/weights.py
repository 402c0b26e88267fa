"""Where a backbone's weights come from: a file, the hub, or nowhere.

No file is ever unpickled into anything but tensors.
"""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import timm
import torch
from huggingface_hub import constants as hub
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from greenstick.errors import GreenstickError

SUFFIXES = (".safetensors", ".pth", ".pt")
#: A file that fills less of the backbone than this is taken for another network's.
LEAST_MATCH = 0.9
#: A folder of local weight files that ``weights = "auto"`` looks in first.
FOLDER_VARIABLE = "GREENSTICK_WEIGHTS"
_PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class LoadedWeights:
    """What became of a weights file.

    Attributes
    ----------
    matched, expected
        How many of the backbone's tensors the file filled, and how many it has.
    head_classes
        Classes of the file's own head, which is dropped; None where it has none.
    """

    matched: int
    expected: int
    head_classes: int | None


def load_weights(backbone: nn.Module, path: Path) -> LoadedWeights:
    """Fill a timm backbone from a local file; the file's classifier head is ignored.

    A first convolution of another number of input channels is adapted as timm does it (summed
    to one, or repeated to three).

    Raises
    ------
    GreenstickError
        Where the file is missing, is no tensors file, or matches less than 90 % of the
        backbone's tensors by name and shape.
    """
    found = _without_prefixes(read_tensors(path))
    found = {name: _adapt_input(name, value, backbone) for name, value in found.items()}
    wanted = backbone.state_dict()
    fitting = {
        name: value
        for name, value in found.items()
        if name in wanted and value.shape == wanted[name].shape
    }
    if len(fitting) < LEAST_MATCH * len(wanted):
        missing = next(name for name in wanted if name not in fitting)
        raise GreenstickError(
            f"{path.name} fills {len(fitting)} of the backbone's {len(wanted)} tensors "
            f"(first not found or of another shape: {missing!r}).",
            remedy="Name the backbone that these weights were trained for.",
        )
    backbone.load_state_dict(fitting, strict=False)
    return LoadedWeights(len(fitting), len(wanted), _head_classes(found, wanted))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors``, ``.pth`` or ``.pt`` file, by name, on the CPU.

    Raises
    ------
    GreenstickError
        Where the file is missing, holds anything but tensors, or is damaged.
    """
    if not path.is_file():
        raise GreenstickError(f"There is no weights file {path}.", remedy="Check the path.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise GreenstickError(
            f"{path.name} cannot be read as a file of tensors ({_first_line(error)}).",
            remedy="Give a .safetensors file, or a .pth saved from a plain state_dict.",
        ) from None
    for key in ("state_dict", "model", "model_state_dict"):  # common wrappings of training code
        if isinstance(values, dict) and isinstance(values.get(key), dict):
            values = values[key]
    tensors = {str(k): v for k, v in dict(values).items() if isinstance(v, Tensor)}
    if not tensors:
        raise GreenstickError(f"{path.name} holds no tensors.", remedy="Give a state_dict file.")
    return tensors


def local_file(backbone: str) -> Path | None:
    """Return the first file for a backbone in the folder that $GREENSTICK_WEIGHTS names."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    pattern = re.compile(re.escape(backbone) + r"([.\-].*)?")
    files = (path for path in sorted(Path(folder).glob("*")) if path.suffix in SUFFIXES)
    return next((path for path in files if pattern.fullmatch(path.stem)), None)


def fetch_from_hub(backbone: nn.Module, name: str) -> None:
    """Fill a backbone with timm's pretrained weights, downloaded once and kept in timm's cache.

    Raises
    ------
    GreenstickError
        Where timm has none for this backbone, or they are neither cached nor to be had.
    """
    if not timm.models.is_model_pretrained(name):
        raise GreenstickError(
            f"timm has no pretrained weights for {name!r}.",
            remedy="Set weights to 'none' or a local file, or take another backbone.",
        )
    try:
        # Without a network the hub's client would retry for most of a minute; when it is told so,
        # it looks into its cache at once.
        with _offline(not _hub_answers()):
            pretrained = timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError) as error:
        raise GreenstickError(
            f"The pretrained weights of {name!r} could not be downloaded ({type(error).__name__}).",
            remedy="Connect to the network once, or set weights to a local .safetensors file.",
        ) from None
    backbone.load_state_dict(pretrained.state_dict(), strict=False)


def _hub_answers() -> bool:
    request = urllib.request.Request(hub.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True  # it answered, if with a refusal
    except OSError:
        return False


@contextmanager
def _offline(offline: bool) -> Iterator[None]:
    before = hub.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = re.compile(r"^(module\.|model\.|backbone\.|encoder\.)+")
    return {prefix.sub("", name): value for name, value in tensors.items()}


def _adapt_input(name: str, value: Tensor, backbone: nn.Module) -> Tensor:
    wanted = backbone.state_dict().get(name)
    if wanted is None or value.ndim != 4 or value.shape == wanted.shape:
        return value
    if value.shape[1] == 1 and wanted.shape[1] == 3 and value.shape[0] == wanted.shape[0]:
        return value.expand(-1, 3, -1, -1) / 3.0
    return value


def _head_classes(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> int | None:
    heads = [v for n, v in found.items() if n not in wanted and n.endswith("bias") and v.ndim == 1]
    return heads[-1].shape[0] if heads else None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
