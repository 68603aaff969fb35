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
    weights, cells = weight.flatten(1), maps.flatten(2)  # (B, m * m), (B, C, m * m)
    # Both are the same product, and as einsum it would copy the maps. The order matters: the weights of maps that are
    # channels-last take a fifth of the time if they come first.
    sums = (weights[:, None] @ cells.mT)[:, 0] if maps.stride(1) == 1 else (cells @ weights[..., None])[..., 0]
    return sums / weight.sum(dim=(1, 2))[:, None]


def moments_over_channels(maps: Tensor, tissue: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of maps (B, C, m, m) over the same cells: (B, C) each."""
    mean = mean_over_channels(maps, tissue)
    at_once = 1 if maps.device.type == "cpu" else len(maps)  # the squares of one tile may stay in the cache
    pieces = zip(torch.split(maps, at_once), torch.split(tissue, at_once), strict=True)
    squares = torch.cat([mean_over_channels(some.square(), cells) for some, cells in pieces])
    return mean, (squares - mean.square()).clamp_min(0)


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
