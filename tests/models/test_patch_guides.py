import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from greenstick.models.patch_guides import (
    blur,
    contours,
    count_guides,
    detail,
    fill_smoothly,
    guides,
)
from greenstick.models.patch_restorer import checkered


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.5])
def test_blur_is_scipys_gaussian(sigma: float) -> None:
    image = np.random.default_rng(0).random((2, 1, 40, 33)).astype(np.float32)
    expected = ndimage.gaussian_filter(
        image, (0, 0, sigma, sigma), mode="mirror", radius=[0, 0] + [int(np.ceil(3 * sigma))] * 2
    )
    assert blur(torch.from_numpy(image), sigma).numpy() == pytest.approx(expected, abs=1e-5)


def test_contours_are_the_slope_and_nothing_on_flat_ground() -> None:
    ramp = torch.linspace(0.0, 1.0, 41).expand(1, 1, 41, 41)
    inside = contours(ramp)[..., 10:-10, 10:-10]
    assert inside.numpy() == pytest.approx(4.0 * 2.0 / 40.0, abs=1e-3)  # over two pixels
    assert contours(torch.full((1, 1, 30, 30), 0.4)).max() < 1e-3


def test_a_hairline_shows_in_detail_and_hardly_in_contours() -> None:
    step, line = torch.full((1, 1, 48, 48), 0.5), torch.full((1, 1, 48, 48), 0.5)
    step[..., 24:] = 0.8
    line[..., 24:25] = 0.2
    seen = contours(line).max() / contours(step).max()
    told = detail(line).abs().max() / detail(step).abs().max()
    assert seen < 0.35
    assert told > 1.0


def test_smooth_filling_knows_nothing_of_the_hole() -> None:
    flat = torch.full((1, 1, 32, 32), 0.3)
    holes = torch.zeros_like(flat)
    holes[..., 8:16, 8:16] = 1.0
    spoiled = torch.where(holes > 0, torch.tensor(0.9), flat)
    assert fill_smoothly(spoiled, holes, 8).numpy() == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize(("guide", "k"), [("none", 0), ("contours", 1), ("contours+detail", 2)])
def test_guides_are_counted(guide: str, k: int) -> None:
    assert guides(torch.rand(2, 1, 24, 24), guide).shape == (2, k, 24, 24)
    assert count_guides(guide) == k


def test_the_filling_is_a_mean_of_blocks_enlarged() -> None:
    torch.manual_seed(0)
    images, holes = torch.rand(2, 1, 32, 48), checkered(32, 48, 8)[:2, 0].expand(2, -1, -1, -1)
    kept = functional.avg_pool2d(1.0 - holes, 4)
    mean = blur(functional.avg_pool2d(images, 4) * kept, 2 / 3) / blur(kept, 2 / 3)
    wide = functional.interpolate(mean, scale_factor=4, mode="bilinear", align_corners=False)
    expected = torch.where(holes > 0, wide, images)
    assert torch.allclose(fill_smoothly(images, holes, 8), expected, atol=1e-6)
