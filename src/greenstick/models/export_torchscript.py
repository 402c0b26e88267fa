"""A network as TorchScript, for programs in C++."""

from pathlib import Path

import torch

from greenstick.files import write_whole
from greenstick.models.classifier import Classifier
from greenstick.models.ensemble import Ensemble
from greenstick.models.export import quiet


def export_torchscript(model: Classifier | Ensemble, canvas_px: int, path: Path | str) -> Path:
    """Write a network as TorchScript.

    Called with float32 images (N, 1, canvas_px, canvas_px) in [0, 1] it gives a tuple of what the
    network gives, in its order. PyTorch has deprecated this format in favor of others, and still
    reads it.

    Returns
    -------
    path
    """
    path = Path(path)
    training = model.training
    example = torch.zeros(2, 1, canvas_px, canvas_px, device=next(model.parameters()).device)
    try:
        with quiet(), torch.no_grad():
            script = torch.jit.trace(model.eval(), (example,))  # type: ignore[no-untyped-call]
            write_whole(path, lambda part: script.save(str(part)))
    finally:
        model.train(training)
    return path
