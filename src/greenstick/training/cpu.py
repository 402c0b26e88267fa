"""What makes training quick on a CPU beyond layout and bfloat16. Measured in docs/training.md."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class QuickDepthwise(nn.Conv2d):
    """A depthwise convolution whose gradient is quick on a CPU.

    oneDNN's own data gradient of a strided one is 10 to 30 times slower than its forward pass:
    here it is a plain convolution of the gradient with zeros between its values. Its bfloat16
    weight gradient of kernels wider than 3 is 2 to 6 times slower than in float32: here it is
    taken in float32. Outside training on a CPU it is the convolution that it was.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C, H / s, W / s), rounded up, for a stride s."""
        if not _trains_on_cpu(self, input):
            return super().forward(input)
        return _convolve(self, input, self.kernel_size[0] // 2)


class SamePaddedQuickDepthwise(Conv2dSame):
    """The same for timm's ports from TensorFlow, which pad the right and lower edge more."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C, H / s, W / s), rounded up, for a stride s."""
        padded = pad_same(x, list(self.kernel_size), list(self.stride))
        if not _trains_on_cpu(self, x):
            return functional.conv2d(
                padded, self.weight, self.bias, self.stride, groups=self.groups
            )
        return _convolve(self, padded, 0)


def _trains_on_cpu(module: nn.Module, input: Tensor) -> bool:
    return module.training and input.device.type == "cpu" and torch.is_grad_enabled()


def _convolve(module: nn.Conv2d, input: Tensor, pad: int) -> Tensor:
    weight, bias = module.weight, module.bias
    if torch.is_autocast_enabled("cpu"):
        kind = torch.get_autocast_dtype("cpu")
        input, weight = input.to(kind), weight.to(kind)
        bias = None if bias is None else bias.to(kind)
    result: Tensor = _Convolve.apply(input, weight, bias, module.stride[0], pad)
    return result


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int
    ) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.has_bias, ctx.stride, ctx.pad = bias is not None, stride, pad
        return functional.conv2d(input, weight, bias, stride, pad, 1, input.shape[1])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor | None, None, None]:
        input, weight = ctx.saved_tensors
        stride, pad = ctx.stride, ctx.pad
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        to_input = None
        if ctx.needs_input_grad[0]:
            to_input = _to_input(input, weight, gradient, stride, pad)
        kind = torch.float32 if weight.shape[-1] > 3 else weight.dtype
        _, to_weight, to_bias = torch.ops.aten.convolution_backward(
            gradient.to(kind),
            input.to(kind),
            weight.to(kind),
            [len(weight)] if ctx.has_bias else None,
            (stride, stride),
            (pad, pad),
            (1, 1),
            False,
            (0, 0),
            len(weight),
            (False, True, ctx.has_bias),
        )
        to_bias = to_bias.to(weight.dtype) if ctx.has_bias else None
        return to_input, to_weight.to(weight.dtype), to_bias, None, None


def _to_input(input: Tensor, weight: Tensor, gradient: Tensor, stride: int, pad: int) -> Tensor:
    kernel, channels = weight.shape[-1], input.shape[1]
    spread = gradient
    if stride == 2:
        height, width = (side + 2 * pad - kernel + 1 for side in input.shape[-2:])
        spread = torch.empty(
            (len(input), channels, height, width),
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        ).zero_()
        spread[:, :, ::2, ::2] = gradient
    return functional.conv2d(spread, weight.flip(2, 3), None, 1, kernel - 1 - pad, 1, channels)


def quicken(model: nn.Module) -> int:
    """Let a model's slow depthwise convolutions take the quick gradient; returns how many.

    Parameters, names and results stay the same.
    """
    chosen = [module for module in model.modules() if _is_slow_depthwise(module)]
    for module in chosen:
        module.__class__ = _QUICK[type(module)]
    return len(chosen)


# Another subclass pads in a way of its own.
_QUICK: dict[type, type[nn.Module]] = {
    nn.Conv2d: QuickDepthwise,
    Conv2dSame: SamePaddedQuickDepthwise,
}


def _is_slow_depthwise(module: nn.Module) -> bool:
    if type(module) not in _QUICK:
        return False
    assert isinstance(module, nn.Conv2d)
    kernel, stride = module.kernel_size[0], module.stride[0]
    padding = 0 if isinstance(module, Conv2dSame) else kernel // 2
    return (
        module.groups == module.in_channels == module.out_channels > 1
        and module.kernel_size == (kernel, kernel)
        and kernel % 2 == 1
        and (stride == 2 or (stride == 1 and kernel > 3))
        and module.stride == (stride, stride)
        and module.padding == (padding, padding)
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
    )


# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024, _MMAP_MAX: 65536}
_KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 1024 * 1024, _MMAP_MAX: 0}


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the process keep freed memory while a network runs.

    glibc gives large blocks back to the kernel at once. A training step then spends a quarter of
    its time on page faults, a forward pass of many images more than half. Elsewhere than on glibc
    this does nothing. One does not stand within another: the inner one's end ends both.
    """
    mallopt = _mallopt()
    if mallopt is None:
        yield
        return
    for name, value in _KEEP.items():
        mallopt(name, value)
    try:
        yield
    finally:
        for name, value in _DEFAULTS.items():
            mallopt(name, value)


def _mallopt() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "mallopt", None)
