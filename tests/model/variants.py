"""The smallest model of every variant of block C, and what its tests ask of one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.model.tiny import TILE, TINY
from wsi_haloae.config import ModelConfig
from wsi_haloae.model.haloae import HaloAE

PIXELS = {"backbone": "pixels", "standardise": False}
PIXEL_SETTINGS = ("model.features.backbone=pixels", "model.features.standardise=false")
SWIN = {"widths": [12, 16], "depth": 2, "window": 5, "dim_head": 4}
VARIANTS: dict[str, dict[str, Any]] = {
    "halo": {},
    "halo of pixels": {"features": PIXELS},
    "residual_cnn": {"block_c": "residual_cnn"},
    "dfr_cnn": {"block_c": "dfr_cnn"},
    "swin": {"block_c": "swin", "swin": SWIN},
    "bergmann": {"block_c": "bergmann", "features": PIXELS},
}


def model(variant: str, tile_size: int = TILE, **changes: Any) -> HaloAE:
    torch.manual_seed(0)
    return HaloAE(ModelConfig.model_validate({**TINY, **VARIANTS[variant], **changes}), tile_size)


def features_of(net: HaloAE, batch: int = 2) -> Tensor:
    return torch.randn(batch, net.backbone.channels, net.map_size, net.map_size)


def count(*parts: nn.Module) -> int:
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def moved_cells(net: HaloAE, row: int, column: int) -> Tensor:
    """Cells (m, m) of the reconstruction that a change of one cell of the features reaches."""
    features = features_of(net, 1)
    changed = features.clone()
    changed[..., row, column] += 5
    with torch.no_grad():
        return (net.reconstruct(changed) - net.reconstruct(features)).abs().amax(dim=1)[0] > 1e-6
