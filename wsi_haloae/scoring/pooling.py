"""Pools the map of a tile to one number: mean, 95th percentile or maximum over its tissue cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from wsi_haloae.config.rules import Pooling

QUANTILE = 0.95


def mean_over(maps: Tensor, tissue: Tensor) -> Tensor:
    """Mean of maps (B, m, m) over the cells of ``tissue`` (B, m, m); over all cells if a tile has no tissue: (B,)."""
    weight = counted(tissue).to(maps.dtype)
    return (maps * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))


def mean_over_channels(maps: Tensor, tissue: Tensor) -> Tensor:
    """Mean of maps (B, C, m, m) over the same cells: (B, C)."""
    weight = counted(tissue).to(maps.dtype)
    # As einsum this is the same product, but maps that are channels-last would be copied first.
    sums = maps.flatten(2) @ weight.flatten(1)[:, :, None]  # (B, C, m * m) @ (B, m * m, 1)
    return sums[..., 0] / weight.sum(dim=(1, 2))[:, None]


def moments_over_channels(maps: Tensor, tissue: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of maps (B, C, m, m) over the same cells: (B, C) each."""
    mean = mean_over_channels(maps, tissue)
    return mean, (mean_over_channels(maps.square(), tissue) - mean.square()).clamp_min(0)


def quantile_over(maps: Tensor, tissue: Tensor) -> Tensor:
    """95th percentile over the same cells: (B,)."""
    kept = maps.masked_fill(~counted(tissue), torch.nan).flatten(1)  # (B, m * m)
    return kept.nanquantile(QUANTILE, dim=1)


def max_over(maps: Tensor, tissue: Tensor) -> Tensor:
    """Maximum over the same cells: (B,)."""
    return maps.masked_fill(~counted(tissue), -torch.inf).amax(dim=(1, 2))


POOLINGS: Mapping[Pooling, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": mean_over,
    "p95": quantile_over,
    "max": max_over,
}


def counted(tissue: Tensor) -> Tensor:
    """The cells that means are over: those of ``tissue`` (B, m, m), or all cells of a tile without any."""
    return tissue | ~tissue.any(dim=(1, 2), keepdim=True)
