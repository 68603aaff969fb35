"""Blocks D and E: reconstructed features -> image -> original or damaged (HaloAE, Fig. 2).

The paper says five convolutions; the published code, and this, has six at the size of the
feature map and one between two doublings. The published code ends both three-channel convolutions
in a ReLU, so it cannot draw the negative half of a normalised image, and once the three channels
are dead nothing reaches the classifier any more; here both are linear by default.
"""

from __future__ import annotations

from torch import Tensor, nn

from wsi_haloae.config import ImageDecoderConfig


def _conv(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1, padding_mode="reflect")


class ImageDecoder(nn.Module):
    """Features (B, C, m, m) -> normalised image (B, 3, 4m, 4m)."""

    def __init__(self, channels: int, config: ImageDecoderConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for out in config.widths:
            layers += [_conv(channels, out), nn.ReLU()]
            channels = out
        end: list[nn.Module] = [nn.ReLU()] if config.final_relu else []
        layers += [_conv(channels, 3), *end, nn.Upsample(scale_factor=2)]
        layers += [_conv(3, 3), *end, nn.Upsample(scale_factor=2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, m, m) -> (B, 3, 4m, 4m)."""
        image: Tensor = self.layers(features)
        return image


class Classifier(nn.Module):
    """Reconstructed image (B, 3, s, s) -> logits (B, 1), or (B, 2) as in the published code."""

    def __init__(self, image_size: int, logits: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * image_size**2, logits)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, logits)."""
        result: Tensor = self.linear(images.flatten(1))
        return result
