import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from greenstick.training.cpu import (
    QuickDepthwise,
    SamePaddedQuickDepthwise,
    kept_memory,
    quicken,
)


def assert_quickened_alike(plain, images):
    """Assert that it gives the same with its one slow convolution quickened, gradients as well."""
    quick = copy.deepcopy(plain)
    assert quicken(quick) == 1
    weights = torch.randn_like(plain(images))
    for net in (plain, quick):
        (net(images) * weights).sum().backward()
    assert torch.allclose(quick(images), plain(images), atol=1e-6)
    for one, other in zip(quick.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-5)
    return quick


@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    [(3, 2, (17, 12)), (5, 2, (12, 17)), (7, 2, (9, 9)), (5, 1, (12, 17)), (7, 1, (9, 8))],
)
def test_the_quick_gradient_is_the_gradient(kernel, stride, size):
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(1, 6, 1), nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=kernel == 5)
    )
    assert_quickened_alike(plain, torch.randn(2, 1, *size))


@pytest.mark.parametrize(("kernel", "size"), [(3, (16, 12)), (5, (12, 17)), (3, (9, 8))])
def test_the_quick_gradient_is_the_gradient_of_tensorflow_padding_too(kernel, size):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 6, 1), Conv2dSame(6, 6, kernel, 2, groups=6, bias=False))
    quick = assert_quickened_alike(plain, torch.randn(2, 1, *size))
    assert type(quick[1]) is SamePaddedQuickDepthwise


@pytest.mark.parametrize("kernel", [3, 5])
def test_bfloat16_goes_through(kernel):
    quick = nn.Sequential(nn.Conv2d(4, 4, kernel, 2, kernel // 2, groups=4))
    quicken(quick)
    with torch.autocast("cpu", torch.bfloat16):
        out = quick(torch.randn(2, 4, 8, 8, requires_grad=True))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert quick[0].weight.grad.dtype == torch.float32


def test_only_slow_depthwise_convolutions_are_touched():
    net = nn.Sequential(
        nn.Conv2d(4, 4, 3, 2, 1, groups=4),
        nn.Conv2d(4, 4, 3, 1, 1, groups=4),
        nn.Conv2d(4, 4, 3, 2, 1),
        nn.Conv2d(4, 8, 3, 2, 1, groups=4),
        nn.Conv2d(8, 8, 3, 2, 0, groups=8),
        nn.Conv2d(8, 8, 5, 1, 2, groups=8),
    )
    names = list(net.state_dict())
    assert quicken(net) == 2
    kinds = [type(module) for module in net]
    assert kinds == [QuickDepthwise, *[nn.Conv2d] * 4, QuickDepthwise]
    assert list(net.state_dict()) == names


def test_memory_is_kept_for_the_while_only():
    with kept_memory():
        inside = torch.ones(1 << 20).sum().item()
    assert inside == 1 << 20
    assert torch.ones(1 << 20).sum().item() == inside
