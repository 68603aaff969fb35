"""One convolution in place of two layers: batch normalisation folded in, widths filled up for the hardware.

Both are exact: a batch norm in evaluation mode is one multiplication and one addition per channel, and a
channel of zeros stays zero through convolution, ReLU and attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

WIDTH_UNIT = 8
"""Tensor cores and vector units take channels in eights; HaloAE's own 29, 58, 117, 234 and 703 are odd ones."""

Convolution = nn.Conv2d | nn.ConvTranspose2d


def filled_up(channels: int) -> int:
    """The next multiple of `WIDTH_UNIT`."""
    return -(-channels // WIDTH_UNIT) * WIDTH_UNIT


def folded(conv: Convolution, norm: nn.BatchNorm2d | None, *, fill_input: bool = True) -> nn.Conv2d:
    """The convolution (and batch norm behind it) as one convolution of filled-up widths.

    ``fill_input`` False leaves the number of channels that it takes. A transposed convolution of stride 1
    is a convolution with its kernel turned round. The folding is done in float64, so it costs no digit.
    """
    assert conv.stride == (1, 1), "block C changes no size"
    size = (conv.kernel_size[0], conv.kernel_size[1])
    weight, padding = conv.weight.detach().double(), (int(conv.padding[0]), int(conv.padding[1]))
    if isinstance(conv, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1).flip(2, 3)  # (in, out, k, k) -> (out, in, k, k)
        padding = (size[0] - 1 - padding[0], size[1] - 1 - padding[1])
    bias = torch.zeros(len(weight), dtype=torch.float64) if conv.bias is None else conv.bias.detach().double()
    if norm is not None:
        weight, bias = _fold(weight, bias, norm)
    into = weight.shape[1]
    whole = nn.Conv2d(filled_up(into) if fill_input else into, filled_up(len(weight)), size, padding=padding)
    return _filled(whole, weight, bias)


def stacked(convolutions: list[nn.Conv2d], in_channels: int) -> nn.Conv2d:
    """1x1 convolutions of one input as a single one, their outputs one after the other; widths stay as they are."""
    weight = torch.cat([conv.weight.detach().double() for conv in convolutions])
    whole = nn.Conv2d(in_channels, len(weight), 1, bias=False)
    return _filled(whole, weight, None)


def _fold(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None, "BN of block C keeps statistics"
    assert norm.running_var is not None, "BN of block C keeps statistics"
    parts = (norm.running_mean.double(), norm.running_var.double())
    fused = fuse_conv_bn_weights(weight, bias, *parts, norm.eps, norm.weight.double(), norm.bias.double())
    return fused[0].detach(), fused[1].detach()


def _filled(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Take over what there is, and zeros beyond it."""
    with torch.no_grad():
        conv.weight.zero_()[: weight.shape[0], : weight.shape[1]] = weight
        if conv.bias is not None and bias is not None:
            conv.bias.zero_()[: len(bias)] = bias
    return conv
