"""What block B is to the rest of the model, whichever network it is: frozen features on a grid of cells."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

REDUCTION = 4
"""Input pixels per side of the finest cell that a feature map has; the cell of a VGG's and of the pixels' map."""


class FrozenFeatures(nn.Module):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, m, m), with `grid.map_size` cells m a side.

    ``layers`` names the layers and ``layer_channels`` says how wide they are, in the order in which
    they are concatenated. Never trained, and always in evaluation mode.
    """

    layers: tuple[str, ...]
    layer_channels: tuple[int, ...]

    @property
    def channels(self) -> int:
        """C, the sum of ``layer_channels``."""
        return sum(self.layer_channels)

    @property
    def ssim_channels(self) -> tuple[int, ...]:
        """Widths of the layers in what `for_ssim` gives: those of the features."""
        return self.layer_channels

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002  # the mode of the model around it
        """Stay in evaluation mode: no statistics are updated, nothing is dropped."""
        return super().train(mode=False)

    def for_ssim(self, features: Tensor) -> Tensor:
        """What SSIM compares: the features (B, C, m, m) as they are."""
        return features

    def leave_meta(self) -> None:
        """Compute what lies outside the weights, after they were assigned to a network without memory."""
