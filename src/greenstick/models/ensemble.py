"""Several classifiers that answer as one, with how far they disagree."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from greenstick.errors import GreenstickError
from greenstick.models.classifier import Classifier, Prediction
from greenstick.models.settings import ClassifierSettings


class JointPrediction(NamedTuple):
    """What an ensemble says of a batch.

    Attributes
    ----------
    logits
        float32 of shape (N, C): the mean of the members'.
    maps
        float32 of shape (N, C, h, w): the mean of the members', each brought to the finest grid.
    spread
        float32 of shape (N, C): the standard deviation of the members' logits (n - 1).
    """

    logits: Tensor
    maps: Tensor
    spread: Tensor


class Ensemble(nn.Module):
    """Classifiers of the same classes over the same canvas; their backbones may differ.

    Lakshminarayanan et al. (NeurIPS 2017): members that differ in their seed or fold alone
    together are better calibrated than one, and disagree where they have seen too little.

    Parameters
    ----------
    members
        Two or more; they are put into evaluation mode, since each was trained by itself.

    Raises
    ------
    GreenstickError
        Where they are fewer, or of different classes.
    """

    def __init__(self, members: Sequence[Classifier]) -> None:
        super().__init__()
        _check(members)
        self.members = nn.ModuleList(members)
        self.eval()

    @property
    def classifiers(self) -> list[Classifier]:
        """The members."""
        return [member for member in self.members if isinstance(member, Classifier)]

    @property
    def settings(self) -> ClassifierSettings:
        """The first member's; all have the same classes."""
        return self.classifiers[0].settings

    @property
    def origin(self) -> str:
        """Where the members' weights came from, each origin once."""
        return "; ".join(dict.fromkeys(member.origin for member in self.classifiers))

    def forward(self, images: Tensor) -> JointPrediction:
        """Score a batch: float32 of shape (N, 1, H, W) in [0, 1]."""
        each: list[Prediction] = [member(images) for member in self.members]
        logits = torch.stack([one.logits for one in each])
        mean = logits.mean(dim=0)
        spread = ((logits - mean).square().sum(dim=0) / (len(each) - 1)).sqrt()
        return JointPrediction(mean, _mean_of_maps([one.maps for one in each]), spread)


def _mean_of_maps(maps: list[Tensor]) -> Tensor:
    finest = max((each.shape[-2:] for each in maps), key=lambda size: size[0] * size[1])
    brought = [
        each
        if each.shape[-2:] == finest
        else functional.interpolate(each, size=finest, mode="bilinear", align_corners=False)
        for each in maps
    ]
    return torch.stack(brought).mean(dim=0)


def _check(members: Sequence[Classifier]) -> None:
    if len(members) < 2:
        raise GreenstickError(
            f"An ensemble needs two members or more, and got {len(members)}.",
            remedy="Give the models of several folds or seeds.",
        )
    if len({(member.settings.classes, member.settings.outputs) for member in members}) > 1:
        raise GreenstickError(
            "The members of this ensemble have different classes.",
            remedy="Join models of one experiment, or of experiments on the same classes.",
        )
