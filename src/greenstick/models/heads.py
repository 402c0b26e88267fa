"""From feature grids to cell logits, and from cell logits to an image's logit."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def log_sum_exp(maps: Tensor, sharpness: float, cells: float) -> Tensor:
    """Pool cell logits of shape (N, C, h, w) to (N, C): 1/r log(sum(exp(r z)) / cells).

    Pinheiro & Collobert (CVPR 2015), where ``cells`` is h w, so that this is a soft maximum of
    at most the maximum. With a constant the pooled logit does not fall with the image's size.
    """
    return torch.logsumexp(sharpness * maps.flatten(2), dim=2) / sharpness - (
        math.log(cells) / sharpness
    )


class LinearHead(nn.Module):
    """A linear score of every cell of the last feature grid, pooled.

    For average pooling this is the usual pooled linear head, written the other way round (Zhou
    et al., CVPR 2016), so that the class activation map costs nothing.

    Parameters
    ----------
    features, classes
        Channels in and out.
    sharpness
        Of log-sum-exp pooling; None pools by the mean.
    highest
        Whether the highest cell is the image's logit instead.
    dropout
        Share of features dropped while training.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        sharpness: float | None,
        dropout: float,
        highest: bool = False,
    ) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.highest = highest
        self.dropout = nn.Dropout(dropout)
        self.cell = _cell_scores(features, classes, bias=0.0)

    def forward(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, C) and maps (N, C, h, w) of the last grid (N, F, h, w)."""
        maps = self.cell(self.dropout(last))
        return self.pool(maps), maps

    @torch.no_grad()
    def shift_logits(self, shift: Tensor) -> None:
        """Add constants (C,) to every logit, and to every cell's."""
        assert self.cell.bias is not None
        self.cell.bias.add_(shift)

    @property
    def averages(self) -> bool:
        """Whether the image's logit is the mean of its cells'."""
        return self.sharpness is None and not self.highest

    def pool(self, maps: Tensor) -> Tensor:
        """Pool cell logits of shape (N, C, h, w) to image logits of shape (N, C)."""
        if self.highest:
            return maps.amax(dim=(2, 3))
        if self.sharpness is None:
            return maps.mean(dim=(2, 3))
        return log_sum_exp(maps, self.sharpness, maps.shape[-2] * maps.shape[-1])


class PyramidHead(nn.Module):
    """Cells of half the size from the last two stages, beside a pooled score of the whole.

    A fracture is often smaller than a cell of the last stage. As in a feature pyramid (Lin et
    al., CVPR 2017) the last stage is brought to the size of the one before it, added, and
    mixed. The image's logit is the pooled linear score of the last features plus a scaled
    log-sum-exp of the cells, so that one sure cell is enough.

    The whole can tell where an image comes from better than what is broken on it; without it the
    cells alone decide.

    Parameters
    ----------
    features
        Channels of the last features for the score of the whole; 0: no such score.
    stages
        Channels of the last stage but one and of the last.
    classes
        Channels out.
    sharpness
        Of the log-sum-exp.
    highest
        Whether the highest cell takes the place of the scaled log-sum-exp.
    dropout
        Share of features dropped while training: the pooled ones, or without the whole the cells'.
    """

    _WIDTH = 128
    _CELLS = 8.0  # a fracture of about 8 cells of equal logit z gives z
    _RARE = -3.0  # cells start near 5 %: most show no fracture

    def __init__(
        self,
        features: int,
        stages: tuple[int, int],
        classes: int,
        *,
        sharpness: float,
        dropout: float,
        highest: bool = False,
    ) -> None:
        super().__init__()
        width = self._WIDTH
        self.sharpness = sharpness
        self.highest = highest
        self.dropout = nn.Dropout(dropout)
        self.whole = nn.Linear(features, classes) if features else None
        self.from_middle = nn.Conv2d(stages[0], width, kernel_size=1)
        self.from_last = nn.Conv2d(stages[1], width, kernel_size=1)
        self.around = nn.Conv2d(width, width, kernel_size=3, padding=1, groups=width)
        self.mix = nn.Conv2d(width, width, kernel_size=1)
        self.cell = _cell_scores(width, classes, bias=self._RARE)
        if not highest:
            self.scale = nn.Parameter(torch.ones(classes))
            self.shift = nn.Parameter(torch.zeros(classes))
        if self.whole is not None:
            nn.init.normal_(self.whole.weight, std=0.01)
            nn.init.constant_(self.whole.bias, -1.0)

    def forward(
        self, middle: Tensor, deep: Tensor, last: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (N, C) and maps (N, C, h, w), h and w of the stage before the last.

        Parameters
        ----------
        middle, deep
            The stages before and at the end, before any last widening.
        last
            The backbone's last features (N, F, h / 2, w / 2), for the score of the whole.
        """
        widened = functional.interpolate(self.from_last(deep), size=middle.shape[-2:])
        grid = functional.relu6(self.from_middle(middle) + widened)
        grid = functional.relu6(self.mix(functional.relu6(self.around(grid))))
        maps = self.cell(grid if self.whole is not None else self.dropout(grid))
        logits = self._pool(maps)
        if self.whole is not None:
            assert last is not None
            logits = logits + self.whole(self.dropout(last.mean(dim=(2, 3))))
        return logits, maps

    def _pool(self, maps: Tensor) -> Tensor:
        if self.highest:
            return maps.amax(dim=(2, 3))
        return self.scale * log_sum_exp(maps, self.sharpness, self._CELLS) + self.shift

    @torch.no_grad()
    def shift_logits(self, shift: Tensor) -> None:
        """Add constants (C,) to every image's logits.

        Cells, taught by boxes, stay as they are, but where the highest is the image's logit.
        """
        if not self.highest:
            self.shift.add_(shift)
            return
        assert self.cell.bias is not None
        self.cell.bias.add_(shift)


def _cell_scores(features: int, classes: int, *, bias: float) -> nn.Conv2d:
    layer = nn.Conv2d(features, classes, kernel_size=1)
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, bias)
    return layer
