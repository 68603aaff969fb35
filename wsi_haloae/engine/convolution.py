"""One convolution instead of two layers: batch normalisation folded in, widths padded for the hardware.

Both changes are exact: in evaluation mode a batch norm is one multiplication and one addition per channel, and a
channel of zeros stays zero through convolution, ReLU and attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

WIDTH_UNIT = 8
"""Tensor cores and vector units process channels in eights; HaloAE's own 29, 58, 117, 234 and 703 do not fit that."""

Convolution = nn.Conv2d | nn.ConvTranspose2d


def filled_up(channels: int) -> int:
    """The next multiple of `WIDTH_UNIT`."""
    return -(-channels // WIDTH_UNIT) * WIDTH_UNIT


def folded(conv: Convolution, norm: nn.BatchNorm2d | None, *, fill_input: bool = True) -> nn.Conv2d:
    """The convolution (and the batch norm after it) as one convolution of padded widths.

    ``fill_input`` False keeps its number of input channels. A transposed convolution of stride 1 is a convolution with
    a rotated kernel. Folding is computed in float64, so that no digit is lost.
    """
    assert conv.stride == (1, 1), "block C keeps the size of maps"
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
    """1x1 convolutions of the same input as a single one, with concatenated outputs; widths stay as they are."""
    weight = torch.cat([conv.weight.detach().double() for conv in convolutions])
    whole = nn.Conv2d(in_channels, len(weight), 1, bias=False)
    return _filled(whole, weight, None)


def pointwise(conv: nn.Conv2d, device: torch.device) -> nn.Conv2d:
    """A 1x1 convolution for the same results. On a CPU it says that it is dilated, which means nothing for one weight.

    Without dilation, torch on one thread computes it with a matrix product of half the speed in place of oneDNN.
    """
    if device.type == "cpu":
        conv.dilation = (2, 2)
    return conv


def _fold(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None, "BN of block C keeps statistics"
    assert norm.running_var is not None, "BN of block C keeps statistics"
    parts = (norm.running_mean.double(), norm.running_var.double())
    fused = fuse_conv_bn_weights(weight, bias, *parts, norm.eps, norm.weight.double(), norm.bias.double())
    return fused[0].detach(), fused[1].detach()


def _filled(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Copy the given weights, and pad them with zeros."""
    with torch.no_grad():
        conv.weight.zero_()[: weight.shape[0], : weight.shape[1]] = weight
        if conv.bias is not None and bias is not None:
            conv.bias.zero_()[: len(bias)] = bias
    return conv
