"""What makes training quick on a CPU beyond layout and bfloat16. Measured in docs/training.md."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class StridedDepthwise(nn.Conv2d):
    """A depthwise convolution of stride 2 whose gradient is quick on a CPU.

    oneDNN's own data gradient of a strided depthwise convolution is 10 to 30 times slower than
    its forward pass. Here it is written as a plain convolution of the gradient with zeros
    between its values. Outside training on a CPU it is the convolution that it was.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C, H / 2, W / 2), rounded up."""
        if not (self.training and input.device.type == "cpu" and torch.is_grad_enabled()):
            return super().forward(input)
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            input, weight = input.to(kind), weight.to(kind)
            bias = None if bias is None else bias.to(kind)
        result: Tensor = _Convolve.apply(input, weight, bias)
        return result


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.has_bias = bias is not None
        pad = weight.shape[-1] // 2
        return functional.conv2d(input, weight, bias, 2, pad, 1, input.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        input, weight = ctx.saved_tensors
        channels, pad = input.shape[1], weight.shape[-1] // 2
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        to_input = None
        if ctx.needs_input_grad[0]:
            spread = torch.zeros_like(input, memory_format=torch.channels_last)
            spread[:, :, ::2, ::2] = gradient
            to_input = functional.conv2d(spread, weight.flip(2, 3), None, 1, pad, 1, channels)
        _, to_weight, to_bias = torch.ops.aten.convolution_backward(
            gradient,
            input,
            weight,
            [channels] if ctx.has_bias else None,
            (2, 2),
            (pad, pad),
            (1, 1),
            False,
            (0, 0),
            channels,
            (False, True, ctx.has_bias),
        )
        return to_input, to_weight, to_bias


def quicken(model: nn.Module) -> int:
    """Let a model's strided depthwise convolutions take the quick gradient; returns how many.

    Parameters, names and results stay the same.
    """
    chosen = [module for module in model.modules() if _is_strided_depthwise(module)]
    for module in chosen:
        module.__class__ = StridedDepthwise
    return len(chosen)


def _is_strided_depthwise(module: nn.Module) -> bool:
    if type(module) is not nn.Conv2d:  # a subclass pads in a way of its own
        return False
    kernel = module.kernel_size[0]
    return (
        module.groups == module.in_channels == module.out_channels > 1
        and module.kernel_size == (kernel, kernel)
        and kernel % 2 == 1
        and module.stride == (2, 2)
        and module.padding == (kernel // 2, kernel // 2)
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
    )


# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024, _MMAP_MAX: 65536}
_KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 1024 * 1024, _MMAP_MAX: 0}


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the process keep freed memory while training.

    glibc gives large blocks back to the kernel at once, and a training step then spends a
    quarter of its time on page faults. Elsewhere than on glibc this does nothing.
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
