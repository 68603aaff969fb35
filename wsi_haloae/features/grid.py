"""The grid of the feature map: how many cells a tile has, for every backbone.

With pixels, a cell covers 4 x 4 pixels. A network uses the grid of its finest chosen layer, but never a finer one than
that: a plain vision transformer has one cell per token, because enlarging 16 x 16 tokens to 64 x 64 cells would only
cost time.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.config import FeaturesConfig, TimmNetwork
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.frozen import REDUCTION


def map_size(config: FeaturesConfig, image_size: int) -> int:
    """Cells m per side of the feature map, for an image of ``image_size`` pixels per side."""
    finest = image_size // REDUCTION
    if config.timm_name is not None:
        network = require_resolved(config)
        return min(finest, input_size(network, image_size) // min(network.reductions))
    reductions = [layer.reduction for layer in config.chosen_layers.values()]
    return image_size // max(REDUCTION, min(reductions, default=REDUCTION))


def bring_to(x: Tensor, cells: int) -> Tensor:
    """(B, C, h, w) -> (B, C, cells, cells): average pooling for finer maps, bilinear interpolation for coarser ones."""
    if x.shape[-1] > cells:
        return F.adaptive_avg_pool2d(x, cells)
    if x.shape[-1] < cells:
        return F.interpolate(x, size=(cells, cells), mode="bilinear", align_corners=False)
    return x


def input_size(network: TimmNetwork, image_size: int) -> int:
    """Pixels per side of the network's input: its fixed size, or the nearest multiple of its coarsest cell."""
    if network.fixed_size is not None:
        return network.fixed_size
    unit = max(network.reductions)
    return max(1, (image_size + unit // 2) // unit) * unit


def require_resolved(config: FeaturesConfig) -> TimmNetwork:
    """The network behind ``timm:NAME``; `ConfigError` if the name has not been looked up yet."""
    if config.timm is None:
        raise ConfigError(
            f"backbone {config.backbone}: the network behind this name has not been looked up; "
            "call wsi_haloae.features.resolve.resolve on the configuration first, as train-tiles does."
        )
    return config.timm
