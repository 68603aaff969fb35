"""The pixels themselves in block B's place (HaloAE, Table 4: block C alone, AE-L2 and AE-SSIM).

Four by four pixels are laid over one another as channels, so that block C, the losses and the
anomaly map work on the grid that they know; nothing is lost on the way.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.features.frozen import REDUCTION, FrozenFeatures
from wsi_haloae.features.preprocessing import denormalise


class PixelFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> the same numbers as (B, 48, s/4, s/4).

    A colour's sixteen channels follow one another, the pixels of a cell row by row. ``layers`` and
    ``layer_channels`` are those of a network with a single layer.
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
        """What SSIM compares: features (B, 48, m, m) -> the image (B, 3, 4m, 4m) in the scale of [0, 1].

        A channel of the features is every fourth pixel, which has no neighbourhood to look at.
        """
        return denormalise(F.pixel_shuffle(features, REDUCTION))
