"""Blocks D and E: reconstructed features -> image -> original or damaged (HaloAE, Fig. 2).

The paper says five convolutions. The published code, and this one, has six at the size of the feature map and one
between two doublings. The published code ends both three-channel convolutions with a ReLU, so it cannot produce the
negative half of a normalised image, and once the three channels are dead nothing reaches the classifier any more. Here
both are linear by default.
"""

from __future__ import annotations

from torch import Tensor, nn

from wsi_haloae.config import ImageDecoderConfig
from wsi_haloae.features.frozen import REDUCTION


def _conv(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1, padding_mode="reflect")


class ImageDecoder(nn.Module):
    """Features (B, C, m, m) -> normalised image (B, 3, s, s), m = ``map_size``, s = ``image_size``.

    The last two doublings begin at s/4. A coarser map (a transformer's tokens) is doubled before each of the last
    convolutions, where there are few channels, until it has s/4 cells.
    """

    def __init__(self, channels: int, config: ImageDecoderConfig, map_size: int, image_size: int) -> None:
        super().__init__()
        widths = (*config.widths, 3)
        sizes = _doublings(map_size, image_size // REDUCTION)[-len(widths) :]
        layers: list[nn.Module] = []
        for number, out in enumerate(widths, start=len(sizes) - len(widths)):
            if number >= 0:
                layers.append(nn.Upsample(size=sizes[number]))
            layers += [_conv(channels, out), nn.ReLU()]
            channels = out
        layers.pop()
        end: list[nn.Module] = [nn.ReLU()] if config.final_relu else []
        layers += [*end, nn.Upsample(scale_factor=2)]
        layers += [_conv(3, 3), *end, nn.Upsample(scale_factor=2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, m, m) -> (B, 3, s, s)."""
        image: Tensor = self.layers(features)
        return image


def _doublings(size: int, end: int) -> list[int]:
    """Sizes after each doubling of ``size``, up to ``end``; none if it is ``end`` already."""
    sizes = []
    while size < end:
        size = min(2 * size, end)
        sizes.append(size)
    return sizes


class Classifier(nn.Module):
    """Reconstructed image (B, 3, s, s) -> logits (B, 1), or (B, 2) as in the published code."""

    def __init__(self, image_size: int, logits: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * image_size**2, logits)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, logits)."""
        result: Tensor = self.linear(images.flatten(1))
        return result
