"""What the rest of the model needs of block B, whichever network it is: frozen features on a grid of cells."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

REDUCTION = 4
"""Input pixels per side of the finest possible cell of a feature map; the cell size with a VGG and with pixels."""


class FrozenFeatures(nn.Module):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, m, m), with `grid.map_size` cells m a side.

    ``layers`` names the layers and ``layer_channels`` their numbers of channels, in the order in which they are
    concatenated. Never trained, and always in evaluation mode.
    """

    layers: tuple[str, ...]
    layer_channels: tuple[int, ...]

    @property
    def channels(self) -> int:
        """C, the sum of ``layer_channels``."""
        return sum(self.layer_channels)

    @property
    def ssim_channels(self) -> tuple[int, ...]:
        """Numbers of channels of the layers that `for_ssim` returns: those of the features."""
        return self.layer_channels

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002  # the mode of the whole model
        """Stay in evaluation mode: no statistics are updated, no dropout is applied."""
        return super().train(mode=False)

    def for_ssim(self, features: Tensor) -> Tensor:
        """What SSIM compares: the features (B, C, m, m) as they are."""
        return features

    def leave_meta(self) -> None:
        """Compute the buffers that are not weights, after weights were assigned to a network without memory."""
