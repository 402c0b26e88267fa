"""A network as ONNX, for any runtime."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from greenstick.files import write_whole
from greenstick.models.classifier import Classifier, Prediction
from greenstick.models.ensemble import Ensemble, JointPrediction
from greenstick.models.look import WithLook, early_stage
from greenstick.quiet import only_errors_of


def export_onnx(
    model: nn.Module, canvas_px: int, path: Path | str, *, outputs: Sequence[str] = ()
) -> Path:
    """Write a network as one ONNX file.

    Input ``images``: float32 of shape (N, 1, canvas_px, canvas_px) in [0, 1], N free. Outputs
    ``logits`` (N, C) and ``maps`` (N, C, h, w); of an ensemble ``spread`` (N, C) too, see
    :class:`~greenstick.models.ensemble.JointPrediction`; and ``look`` (N, D), see
    :mod:`greenstick.models.look`. Normalization is inside. A network of another kind states its
    ``outputs``.

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
    looking = _with_look(model)
    known = JointPrediction if isinstance(model, Ensemble) else Prediction
    names = [*(outputs or known._fields), *(["look"] if looking else [])]
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                looking or model,
                (example,),
                dynamo=True,
                input_names=["images"],
                output_names=names,
                dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
                verbose=False,
            )
            assert program is not None
            write_whole(path, lambda part: program.save(str(part), external_data=False))
    finally:
        if looking:
            looking.close()
        model.train(training)
    return path


def _with_look(model: nn.Module) -> WithLook | None:
    if isinstance(model, Classifier | Ensemble) and early_stage(model):
        return WithLook(model)
    return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back exporters' prints and their notes on their own internals."""
    names = ("torch.onnx", "torch.utils.cpp_extension", "onnxscript", "onnx_ir", "nncf")
    with (
        only_errors_of(names),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
