"""A network as ONNX, for any runtime."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from greenstick.files import write_whole
from greenstick.models.classifier import Prediction
from greenstick.models.ensemble import Ensemble, JointPrediction


def export_onnx(
    model: nn.Module, canvas_px: int, path: Path | str, *, outputs: Sequence[str] = ()
) -> Path:
    """Write a network as one ONNX file.

    Input ``images``: float32 of shape (N, 1, canvas_px, canvas_px) in [0, 1], N free. Outputs
    ``logits`` (N, C) and ``maps`` (N, C, h, w); of an ensemble ``spread`` (N, C) too, see
    :class:`~greenstick.models.ensemble.JointPrediction`. Normalization is inside. A network of
    another kind states its ``outputs``.

    Returns
    -------
    path
    """
    path = Path(path)
    device = next(model.parameters()).device
    # A batch of one would be taken for a constant; two leave the axis free.
    example = torch.zeros(2, 1, canvas_px, canvas_px, device=device)
    training = model.training
    model.eval()
    known = JointPrediction if isinstance(model, Ensemble) else Prediction
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                input_names=["images"],
                output_names=list(outputs or known._fields),
                dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
                verbose=False,
            )
            assert program is not None
            write_whole(path, lambda part: program.save(str(part), external_data=False))
    finally:
        model.train(training)
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the exporter's prints and its notes on its own internals."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
