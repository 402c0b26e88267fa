from pathlib import Path

import pytest
import torch
from torch.nn import functional

from greenstick.errors import GreenstickError
from greenstick.models.patch_checkpoint import RESTORER_WEIGHTS, load_restorer, save_restorer
from greenstick.models.patch_critic import PatchCritic
from greenstick.models.patch_restorer import (
    PASSES,
    Restorer,
    checkered,
    residuals,
    restore,
    restore_scales,
)
from greenstick.models.patch_settings import RestorerSettings


def restorer(**settings: object) -> Restorer:
    torch.manual_seed(0)
    chosen = RestorerSettings.model_validate({"patch_px": 8, "width": 8} | settings)
    return Restorer(chosen).eval()


@pytest.mark.parametrize(("height", "width", "patch_px"), [(64, 64, 16), (40, 56, 8), (32, 80, 16)])
def test_every_pixel_is_restored_in_one_pass_and_no_two_holes_touch(
    height: int, width: int, patch_px: int
) -> None:
    holes = checkered(height, width, patch_px)
    assert (holes.sum(dim=0) == 1).all()
    cells = holes[..., ::patch_px, ::patch_px]
    assert torch.equal(cells.repeat_interleave(patch_px, 2).repeat_interleave(patch_px, 3), holes)
    neighbors = functional.avg_pool2d(cells, 3, stride=1, padding=1, divisor_override=1)
    assert (neighbors[cells == 1] == 1).all()  # a hole and none of the eight around it


@torch.no_grad()
def test_without_a_guide_what_lies_in_a_hole_does_not_matter() -> None:
    network = restorer(guide="none")
    images = torch.rand(1, 1, 32, 32)
    holes = checkered(32, 32, 8)[1:2]
    other = torch.where(holes > 0, torch.rand_like(images), images)
    assert torch.allclose(network(images, holes).images, network(other, holes).images, atol=1e-6)


@torch.no_grad()
def test_one_batch_of_passes_restores_what_hole_after_hole_would() -> None:
    network, images = restorer(), torch.rand(2, 1, 32, 48)
    at_once = restore(network, images)
    one_by_one = torch.zeros_like(images)
    for holes in checkered(32, 48, 8):
        filled = network(images, holes[None].expand(2, -1, -1, -1)).images
        one_by_one += filled * holes
    assert torch.allclose(at_once, one_by_one.clamp(0, 1), atol=1e-5)


@torch.no_grad()
def test_each_scale_has_its_restoration_and_residual() -> None:
    network, images = restorer(scales=(1, 2)), torch.rand(2, 1, 64, 64)
    restored, departure = residuals(network, images)
    assert restored.shape == departure.shape == (2, 2, 64, 64)
    assert torch.equal(restored, restore_scales(network, images))
    assert torch.allclose(restored[:, :1] + departure[:, :1], images, atol=1e-6)
    # The coarse one is compared with the coarse picture: a checkerboard of pixels is no departure.
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 0.5 + 0.25
    flat, board = torch.full((1, 1, 64, 64), 0.5), board.expand(1, 1, -1, -1)
    assert torch.allclose(residuals(network, board)[1][:, 1], residuals(network, flat)[1][:, 1])


def test_a_restorer_comes_back_from_disk(tmp_path: Path) -> None:
    network = restorer(guide="none", scales=(2,))
    again = load_restorer(save_restorer(tmp_path, network))
    assert again.settings == network.settings
    images = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(restore(again, images), restore(network, images))
    (tmp_path / RESTORER_WEIGHTS).write_bytes(b"x")
    with pytest.raises(GreenstickError, match="does not hold"):
        load_restorer(tmp_path)


def test_the_critic_scores_patches_at_two_scales_and_cannot_run_away() -> None:
    torch.manual_seed(0)
    critic = PatchCritic(8)
    for _ in range(30):  # the spectral norms are found by power iteration
        scores = critic(torch.rand(3, 1, 32, 32))
    assert [tuple(score.shape) for score in scores] == [(3, 1, 8, 8), (3, 1, 4, 4)]
    critic.eval()
    near, far = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 1e-3)
    with torch.no_grad():
        moved = (critic(far)[0] - critic(near)[0]).norm()
    # Each layer stretches by little more than one (3 x 3 kernels of norm 1 by at most 3).
    assert moved <= 3**3 * (far - near).norm()
    assert PASSES == 4
