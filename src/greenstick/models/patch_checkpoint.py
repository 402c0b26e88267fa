"""A restorer on disk: its weights and what it is."""

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.models.checkpoint import write_weights
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings

WEIGHTS, SETTINGS = "restorer.safetensors", "restorer.json"


def save_restorer(folder: Path | str, restorer: Restorer) -> Path:
    """Write a restorer into a folder, the settings last: without them there is none."""
    folder = Path(folder)
    (folder / SETTINGS).unlink(missing_ok=True)
    write_weights(restorer, folder / WEIGHTS)
    write_text(restorer.settings.model_dump_json(indent=2) + "\n", folder / SETTINGS)
    return folder


def load_restorer(folder: Path | str) -> Restorer:
    """Load a restorer, in evaluation mode on the CPU.

    Raises
    ------
    GreenstickError
        Where the folder holds none.
    """
    folder = Path(folder)
    try:
        settings = RestorerSettings.model_validate_json((folder / SETTINGS).read_bytes())
        restorer = Restorer(settings)
        restorer.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValidationError, SafetensorError, RuntimeError):
        raise GreenstickError(
            f"There is no restorer in {folder}.",
            remedy="Train one on healthy images first, or copy the whole folder again.",
        ) from None
    return restorer.eval()
