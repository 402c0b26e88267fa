"""How an image looks to a network: statistics of an early stage's channels.

The last features tell what a network was taught to tell, and answer the strange with silence; an
early stage's mean and spread tell noise, photographs, inverted films and other regions of the body
from what it was trained on (measured in docs/reading.md).
"""

from typing import Any

import torch
from torch import Tensor, nn

from greenstick.models.classifier import Classifier
from greenstick.models.ensemble import Ensemble

#: The last stage of at most this stride: fine enough for texture, coarse enough for shape.
_STRIDE = 8


class WithLook(nn.Module):
    """A network that says, beside what it answers, how each image looks.

    Parameters
    ----------
    network
        A classifier, or an ensemble, whose first member then looks. While this object is open
        (see :meth:`close`), a hook of it hangs on the network.
    """

    def __init__(self, network: Classifier | Ensemble) -> None:
        super().__init__()
        self.network = network
        backbone, stage = _first(network).backbone, early_stage(network)
        assert stage is not None
        self._channels = int(stage["num_chs"])
        self._seen: list[Tensor] = []
        self._hook = backbone.get_submodule(stage["module"]).register_forward_hook(self._see)

    def close(self) -> None:
        """Leave the network as it was."""
        self._hook.remove()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the network's answers, and last the look: float32 (N, 2 F), F early channels."""
        self._seen.clear()
        answers: tuple[Tensor, ...] = self.network(images)
        return (*answers, statistics(self._seen.pop()))

    def _see(self, module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG002
        if output.ndim == 4 and output.shape[1] == self._channels:
            self._seen.append(output.flatten(2))
        else:  # tokens, or channels last
            self._seen.append(output.flatten(1, -2).transpose(1, 2))


def statistics(seen: Tensor) -> Tensor:
    """Return mean and standard deviation, float32 (N, 2 F), over the cells of (N, F, cells)."""
    values = seen.float()
    mean = values.mean(dim=2)
    spread = (values - mean.unsqueeze(2)).square().mean(dim=2).sqrt()
    return torch.cat([mean, spread], dim=1)


def early_stage(network: Classifier | Ensemble) -> dict[str, Any] | None:
    """Return what timm says of the stage that is looked at; None where it gives no stages."""
    info = getattr(_first(network).backbone, "feature_info", None)
    stages: list[dict[str, Any]] = list(getattr(info, "info", info) or [])
    if not stages:
        return None
    fine = [stage for stage in stages if stage["reduction"] <= _STRIDE]
    # A vision transformer has one stride throughout: its first quarter is early.
    return fine[-1] if fine else stages[len(stages) // 4]


def _first(network: Classifier | Ensemble) -> Classifier:
    return network.classifiers[0] if isinstance(network, Ensemble) else network
