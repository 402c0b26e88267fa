"""What a detector is made of, and what a head offers that brings a loss of its own."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

#: Boxes cut to slivers by the edge of a crop teach nothing.
LEAST_PX = 4.0


@dataclass(frozen=True, eq=False)
class DetectorParts:
    """What a detector is made of.

    Attributes
    ----------
    backbone
        Colored images (N, 3, H, W) become a list of grids, the finest first.
    head
        The grids become boxes (N, K, 4), as corners in pixels, and logits (N, K, C).
    mean, std
        float32 (3,): what is taken off an image in [0, 1], and what it is then divided by.
    origin
        Where the weights come from.
    """

    backbone: nn.Module
    head: nn.Module
    mean: Tensor
    std: Tensor
    origin: str = "from scratch"


@dataclass(frozen=True, eq=False)
class TrueBatch:
    """The true boxes of a batch of N images.

    Attributes
    ----------
    boxes
        float32 (N, k, 4): left, top, right, bottom in pixels of the image; rows of less than
        :data:`LEAST_PX` to a side are ignored.
    classes
        int64 (N, k): the number of each box's class.
    annotated
        bool (N,): images whose boxes are known; the others contribute nothing.
    """

    boxes: Tensor
    classes: Tensor
    annotated: Tensor

    def of_image(self, image: int) -> tuple[Tensor, Tensor]:
        """Return boxes (k, 4) and classes (k,) of an image, without what is ignored."""
        boxes = self.boxes[image]
        whole = (boxes[:, 2:] - boxes[:, :2] >= LEAST_PX).all(1)
        return boxes[whole], self.classes[image, whole]


@runtime_checkable
class LearningHead(Protocol):
    """A head whose library has its own loss; the others learn by Greenstick's."""

    def judged(self, grids: list[Tensor], truth: TrueBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (N, K, 4), logits (N, K, C) and the loss, a mean over images."""
        ...
