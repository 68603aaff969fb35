"""From features and their reconstruction to an anomaly map (HaloAE, equation 4 and Fig. S1).

Order: residual on the feature map's grid -> deviation from the training tiles' mean map -> 3x3 Gaussian
-> bilinear interpolation to the tile's pixels (specification, section 3).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.features.constants import constant
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.model.ssim import ssim_map

CHANNELS_AT_ONCE = 32
"""SSIM of so many channels of a batch of tiles stays in a processor's cache; of all, it is 1.3 to 2.7 times as slow."""


def residual_map(features: Tensor, reconstruction: Tensor) -> Tensor:
    """A_fm, the mean over channels of the squared residual: (B, C, m, m) -> (B, m, m)."""
    return (features - reconstruction).square().mean(dim=1)


def by_layer(maps: Tensor, layer_channels: tuple[int, ...]) -> Tensor:
    """Average maps of channels within each feature layer: (B, C, m, m) -> (B, layers, m, m)."""
    return torch.stack([layer.mean(dim=1) for layer in split_layers(maps, layer_channels)], dim=1)


def dissimilarity_map(x: Tensor, y: Tensor, data_range: Tensor | None) -> Tensor:
    """1 - SSIM of each channel at each position: (B, C, h, w) twice -> (B, C, h, w)."""
    at_once = CHANNELS_AT_ONCE if x.device.type == "cpu" else x.shape[1]
    unlike = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    for start in range(0, x.shape[1], at_once):
        piece = slice(start, start + at_once)
        length = None if data_range is None else data_range[piece]
        unlike[:, piece] = 1 - ssim_map(x[:, piece], y[:, piece], length, edge="reflect")
    return unlike


Normalisation = Literal["absolute", "signed", "none"]


def normalise_map(residual: Tensor, mean_map: Tensor, how: Normalisation) -> Tensor:
    """Deviation from the mean training map, (B, m, m) and (m, m) -> (B, m, m) (paper, Fig. S1).

    ``absolute`` is |A - mean|, so that parts that are too easy to reconstruct count too; ``signed`` is A - mean.
    """
    if how == "none":
        return residual
    deviation = residual - mean_map
    return deviation.abs() if how == "absolute" else deviation


def smooth(maps: Tensor) -> Tensor:
    """3x3 Gaussian (1/4 1/2 1/4) with reflected border, (B, m, m) -> (B, m, m)."""
    return _filtered(F.pad(maps[:, None], (1, 1, 1, 1), mode="reflect"), (1, 2, 1))[:, 0]


def spread(maps: Tensor, cells: Tensor) -> Tensor:
    """5x5 Gaussian (1 4 6 4 1) that keeps the mean of maps (B, m, m) over ``cells`` (B, m, m); 0 in other cells.

    Each cell divides its value among the cells around it.
    """
    inside = cells[:, None].to(maps.dtype)
    received = _filtered(F.pad(inside, (2, 2, 2, 2)), (1, 4, 6, 4, 1))  # by the cells around each, of its value
    shares = torch.where(inside > 0, maps[:, None] / received, 0)
    return (_filtered(F.pad(shares, (2, 2, 2, 2)), (1, 4, 6, 4, 1)) * inside)[:, 0]


def _filtered(padded: Tensor, taps: tuple[int, ...]) -> Tensor:
    """Filter (B, 1, h, w) by the product of ``taps`` with themselves, whose sum is made 1; the edge is cut off."""
    row = constant(taps, padded.dtype, padded.device) / sum(taps)
    return F.conv2d(padded, torch.outer(row, row)[None, None])


def upsample(maps: Tensor, tile_size: int) -> Tensor:
    """Bilinear to the tile's pixels, (B, m, m) -> (B, s, s); cell centres stay where they are."""
    return F.interpolate(maps[:, None], size=(tile_size, tile_size), mode="bilinear", align_corners=False)[:, 0]
