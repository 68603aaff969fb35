"""Block C as the convolutional auto-encoder of images used by AE-L2 and AE-SSIM (HaloAE, Table 4).

Bergmann, Löwe, Fauser, Sattlegger and Steger 2018, *Improving Unsupervised Defect Segmentation by
Applying Structural Similarity to Autoencoders* (arXiv 1807.02011), Table 1.
"""

from __future__ import annotations

from torch import nn

from wsi_haloae.features.frozen import REDUCTION

LATENT = 100
"""Length of an image's code; the paper's d for textures."""
IMAGE_MULTIPLE = 16
"""Four of the convolutions halve the image."""
_LAYERS = ((32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1))
"""Channels, kernel and stride of the encoder's first eight convolutions; padding 1."""


def bergmann(channels: int, map_size: int) -> tuple[nn.Module, nn.Module]:
    """Encoder: pixel features (B, 48, m, m) -> code (B, 100, 1, 1); decoder: back again.

        conv1   3 -> 32    4x4  stride 2        conv6   64 -> 128   4x4  stride 2
        conv2   32 -> 32   4x4  stride 2        conv7   128 -> 64   3x3
        conv3   32 -> 32   3x3                  conv8   64 -> 32    3x3
        conv4   32 -> 64   4x4  stride 2        conv9   32 -> 100   everything left (8x8), no padding
        conv5   64 -> 64   3x3

    Leaky ReLU with slope 0.2 after each but the last. The decoder is the reverse, with transposed convolutions; its
    last one is linear too. Made for images of 128x128; at another size, the kernel of conv9 covers image size / 16. The
    input is an image: the features are rearranged to one first.
    """
    colours = channels // REDUCTION**2
    rest = map_size * REDUCTION // IMAGE_MULTIPLE
    encoder: list[nn.Module] = [nn.PixelShuffle(REDUCTION)]  # (B, 3, 4m, 4m)
    decoder: list[nn.Module] = [nn.PixelUnshuffle(REDUCTION)]  # built from its end
    width = colours
    for out, kernel, stride in _LAYERS:
        encoder += [nn.Conv2d(width, out, kernel, stride, padding=1), nn.LeakyReLU(0.2)]
        decoder += [nn.ConvTranspose2d(out, width, kernel, stride, padding=1), nn.LeakyReLU(0.2)]
        width = out
    encoder.append(nn.Conv2d(width, LATENT, rest))  # (B, 100, 1, 1)
    decoder.append(nn.ConvTranspose2d(LATENT, width, rest))
    return nn.Sequential(*encoder), nn.Sequential(*reversed(decoder))
