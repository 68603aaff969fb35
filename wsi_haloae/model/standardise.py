"""Per-channel standardisation of the features, with a floor under the deviations.

Without it the layer with the largest values decides everything (specification, section 6). The floor, a share of the
layer's median deviation, keeps nearly dead channels from being amplified.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """(x - mean) / deviation per channel; the identity until `fit` is called."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @torch.no_grad()
    def fit(self, mean: Tensor, std: Tensor, layer_channels: tuple[int, ...], floor: float) -> None:
        """Store statistics (C,) measured on training tiles; ``floor`` as in the configuration."""
        floored = [layer.clamp_min(floor * float(layer.median())) for layer in torch.split(std, list(layer_channels))]
        self.mean.copy_(mean)
        self.std.copy_(torch.cat(floored).clamp_min(1e-6))  # if all channels of a layer are dead

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return (x - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)
