"""Restorers on disk."""

from pathlib import Path

from pydantic import ValidationError

from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.models.parts import fill_weights, write_weights
from greenstick.models.patch_restorer import Restorer
from greenstick.models.patch_settings import RestorerSettings

RESTORER_WEIGHTS, RESTORER = "restorer.safetensors", "restorer.json"


def save_restorer(folder: Path | str, restorer: Restorer) -> Path:
    """Write a restorer into a folder, the settings last: without them there is none."""
    folder = Path(folder)
    (folder / RESTORER).unlink(missing_ok=True)
    write_weights(restorer, folder / RESTORER_WEIGHTS)
    write_text(restorer.settings.model_dump_json(indent=2) + "\n", folder / RESTORER)
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
        settings = RestorerSettings.model_validate_json((folder / RESTORER).read_bytes())
    except (OSError, ValidationError):
        raise GreenstickError(
            f"There is no restorer in {folder}.",
            remedy="Train one on healthy images first, or copy the whole folder again.",
        ) from None
    restorer = Restorer(settings)
    fill_weights(restorer, folder / RESTORER_WEIGHTS)
    return restorer.eval()
