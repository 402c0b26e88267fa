"""The critic of a restorer: which patches of a picture are drawn, and which are bone."""

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class PatchCritic(nn.Module):
    """Scores of overlapping patches at two scales (Isola et al., CVPR 2017).

    Spectral norms (Miyato et al., ICLR 2018) hold its slope, so that it cannot run away from the
    restorer. It is needed for training only.

    Parameters
    ----------
    width
        Channels of the first stage.
    scales
        How many; each sees the picture at half the size of the one before.
    """

    def __init__(self, width: int, *, scales: int = 2) -> None:
        super().__init__()
        self.critics = nn.ModuleList(_critic(width) for _ in range(scales))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Score (N, 1, H, W): one map (N, 1, h, w) a scale, high where it looks like bone."""
        scores = []
        for critic in self.critics:
            scores.append(critic(images))
            images = functional.avg_pool2d(images, 2)
        return scores


def _critic(width: int) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(1, width, 3, stride=2, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(2 * width, 1, 1)),
    )
