"""The pixels themselves as features, instead of block B (HaloAE, Table 4: block C alone, AE-L2 and AE-SSIM).

Each cell of 4 x 4 pixels becomes channels, so that block C, the losses and the anomaly map work on their usual grid;
nothing is lost.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.features.frozen import REDUCTION, FrozenFeatures
from wsi_haloae.features.preprocessing import denormalise


class PixelFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> the same numbers as (B, 48, s/4, s/4).

    A colour's sixteen channels are adjacent, in the order of the cell's pixels, row by row. ``layers`` and
    ``layer_channels`` describe a network with a single layer.
    """

    layers = ("pixels",)
    layer_channels = (3 * REDUCTION**2,)

    @property
    def ssim_channels(self) -> tuple[int, ...]:
        """The three colours of the image."""
        return (3,)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, 48, s/4, s/4)."""
        return F.pixel_unshuffle(images, REDUCTION)

    def for_ssim(self, features: Tensor) -> Tensor:
        """What SSIM compares: features (B, 48, m, m) -> the image (B, 3, 4m, 4m) with values in [0, 1].

        One channel of the features holds only every fourth pixel, so its neighbours are not the image's neighbours.
        """
        return denormalise(F.pixel_shuffle(features, REDUCTION))
