"""Block B for scoring: a DenseNet with its batch norms folded in. A VGG has nothing to fold.

In a dense layer the second norm follows a convolution and goes into it. The first one follows a concatenation and comes
before a ReLU, so it stays: one multiply-add. Writing a block into one buffer in place of concatenating was no faster
(`benchmarks/bench_backbones.py` has the rest).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wsi_haloae.engine.convolution import folded, pointwise
from wsi_haloae.features.densenet import DenseNetFeatures
from wsi_haloae.features.frozen import FrozenFeatures


class ScaledReLU(nn.Module):
    """A batch norm in evaluation mode and the ReLU after it: max(0, scale x + shift) per channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_mean is not None, "DenseNet's norms keep statistics"
        assert norm.running_var is not None, "DenseNet's norms keep statistics"
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - scale * norm.running_mean.double()
        self.register_buffer("scale", scale.detach().float().view(1, -1, 1, 1))
        self.register_buffer("shift", shift.detach().float().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return torch.addcmul(self.shift, x, self.scale).relu_()


def for_scoring(backbone: FrozenFeatures, device: torch.device) -> FrozenFeatures:
    """A DenseNet rewritten for ``device``, with its own copy of the weights; any other backbone as it is."""
    if not isinstance(backbone, DenseNetFeatures):
        return backbone
    rewritten = copy.deepcopy(backbone)
    features: Any = rewritten.features  # torchvision's modules have no types
    features.conv0, features.norm0 = fuse_conv_bn_eval(features.conv0, features.norm0), nn.Identity()
    for name, part in features.named_children():
        if name.startswith("denseblock"):
            for layer in part.children():
                layer.norm1, layer.relu1 = ScaledReLU(layer.norm1), nn.Identity()
                layer.conv1, layer.norm2 = pointwise(folded(layer.conv1, layer.norm2), device), nn.Identity()
        elif name.startswith("transition"):
            part.norm, part.relu = ScaledReLU(part.norm), nn.Identity()
            part.conv = pointwise(part.conv, device)
    return rewritten.requires_grad_(requires_grad=False)
