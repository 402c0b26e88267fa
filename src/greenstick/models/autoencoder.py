"""A plain autoencoder of healthy images: what it cannot draw again departs from them.

Its bottleneck is narrow enough that what is rare is lost. It is here to be compared with.
"""

from torch import Tensor, nn

from greenstick.models.departures import Departures, to_cells

_SHRINKS = 4  # halvings of the side


class Autoencoder(Departures):
    """Convolutions down to 1/16 of the side, few channels, and up again.

    Parameters
    ----------
    width
        Channels of the first stage.
    code
        Channels at the bottleneck.
    """

    def __init__(self, width: int = 16, code: int = 16) -> None:
        super().__init__()
        self.width, self.code = width, code
        widths = [width * min(2**stage, 4) for stage in range(_SHRINKS)]
        down = [_down(before, after) for before, after in zip([1, *widths], widths, strict=False)]
        up = [
            _up(before, after) for before, after in zip(widths[::-1], widths[-2::-1], strict=False)
        ]
        self.encode = nn.Sequential(*down, nn.Conv2d(widths[-1], code, 1))
        self.decode = nn.Sequential(
            nn.Conv2d(code, widths[-1], 1),
            *up,
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def reconstruct(self, images: Tensor) -> Tensor:
        """Draw (N, 1, H, W) again from its code; H and W are multiples of 16."""
        drawn: Tensor = self.decode(self.encode(images))
        return drawn

    def depart(self, images: Tensor) -> Tensor:
        """Return the highest smoothed error of each cell."""
        return to_cells((images - self.reconstruct(images)).abs())


def _down(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.2),
    )


def _up(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.2),
    )
