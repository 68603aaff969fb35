"""From tile pixels to network input: the only place where pixels are scaled.

Training and scoring both use it, and the checkpoint stores the downsampling factor, so their preprocessing is the
same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.features.constants import constant

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
TILE_MULTIPLE = 16
"""Tile sizes are multiples of this, so that every pooling divides evenly."""


def to_unit(tiles: Tensor) -> Tensor:
    """uint8 tiles (B, s, s, 3) -> float32 (B, 3, s, s) in [0, 1]."""
    return tiles.permute(0, 3, 1, 2).to(torch.float32) / 255  # (B, 3, s, s)


def normalise(unit: Tensor, downsample: int) -> Tensor:
    """[0, 1] images (B, 3, s, s), averaged over ``downsample`` pixels a side and normalised as for ImageNet."""
    if downsample > 1:
        unit = F.avg_pool2d(unit, downsample)
    return (unit - _channels(IMAGENET_MEAN, unit)) / _channels(IMAGENET_STD, unit)


def denormalise(images: Tensor) -> Tensor:
    """Normalised images back to values in [0, 1] (not clamped)."""
    return images * _channels(IMAGENET_STD, images) + _channels(IMAGENET_MEAN, images)


def renormalise(images: Tensor, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Tensor:
    """Images normalised with ImageNet's mean and std -> normalised with the mean and std of another network."""
    if (mean, std) == (IMAGENET_MEAN, IMAGENET_STD):
        return images
    return (denormalise(images) - _channels(mean, images)) / _channels(std, images)


def tissue_cells(unit: Tensor, map_size: int, glass_level: float | None) -> Tensor:
    """Which cells of the anomaly map show tissue: bool (B, map_size, map_size).

    A cell is glass if even its darkest channel, averaged over the cell, is at least ``glass_level``. Pale tissue is
    coloured, so one of its channels is darker than glass. ``glass_level`` None: no cell is glass, all count (MVTec).
    """
    if glass_level is None:
        return torch.ones(unit.shape[0], map_size, map_size, dtype=torch.bool, device=unit.device)
    mean = F.adaptive_avg_pool2d(unit, map_size)  # (B, 3, m, m)
    return mean.amin(dim=1) < glass_level


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return constant(values, like.dtype, like.device).view(1, 3, 1, 1)
