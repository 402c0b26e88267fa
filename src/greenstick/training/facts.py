"""What is settled when a fit starts, kept beside it, so that it resumes as it began."""

import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from greenstick.errors import GreenstickError
from greenstick.files import write_text
from greenstick.training.recipe import Recipe
from greenstick.training.samples import Rows, TrainingData

FACTS = "fit.json"
_PATIENCE_SECONDS = 600.0


class Facts(BaseModel):
    """What is settled when a fit starts.

    Attributes
    ----------
    identity
        Digest of settings, seed and data: only the same fit resumes.
    precision
        "32" or "bf16".
    trial_images_per_s
        What the trial of precisions measured; empty where none was needed.
    weights_origin
        Where the weights came from.
    finished
        Whether the best weights are final.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    precision: str
    trial_images_per_s: dict[str, float]
    weights_origin: str
    finished: bool = False


def read_facts(folder: Path, identity: str) -> Facts | None:
    """Return the facts of a fit in a folder; None where there are none, or another fit's."""
    try:
        facts = Facts.model_validate_json((folder / FACTS).read_bytes())
    except (OSError, ValidationError):
        return None
    return facts if facts.identity == identity else None


def holds_another(folder: Path, identity: str) -> bool:
    """Tell whether a folder holds a fit of other settings, data or seed, finished or not."""
    return (folder / FACTS).is_file() and read_facts(folder, identity) is None


def write_facts(folder: Path, facts: Facts) -> Facts:
    """Write the facts, whole or not at all, and return them."""
    write_text(facts.model_dump_json(indent=2) + "\n", folder / FACTS)
    return facts


def wait_for_facts(folder: Path, identity: str) -> Facts:
    """Return the facts that the first of several processes writes.

    Raises
    ------
    GreenstickError
        Where none appear within ten minutes.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        facts = read_facts(folder, identity)
        if facts is not None:
            return facts
        time.sleep(0.2)
    raise GreenstickError(
        f"The first process did not start its training in {folder}.",
        remedy="Give all nodes one shared folder for the run, and the same settings.",
    )


def identify(data: TrainingData, recipe: Recipe, settings: BaseModel, seed: int) -> str:
    """Return a digest of everything that decides a fit's result on one machine."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(recipe.model_dump_json().encode())
    digest.update(settings.model_dump_json().encode())
    digest.update(f"{seed} {torch.__version__}".encode())
    for rows in (data.train, data.valid, *([data.unlabeled] if data.unlabeled else [])):
        digest.update(fingerprint(rows).encode())
    return digest.hexdigest()


def digest_of(network: nn.Module) -> str:
    """Return a digest of a network's weights."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fingerprint(rows: Rows) -> str:
    """Return a digest of images (their contents), labels, boxes and their classes, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for key, label, boxes in zip(rows.keys, rows.labels, rows.boxes, strict=True):
        digest.update(key)
        digest.update(np.asarray(label, dtype="<i4").tobytes())
        digest.update(b"?" if boxes is None else boxes.tobytes())
    for kinds in rows.box_classes or ():
        digest.update(b"|" + kinds.astype("<i4").tobytes())
    return digest.hexdigest()
