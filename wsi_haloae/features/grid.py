"""The grid of the feature map: how many cells a tile has, for every kind of block B.

A VGG's map, and that of the pixels, has a cell for 4 x 4 pixels. A network of timm gives its finest
chosen stage's grid, but none finer than that: a plain vision transformer has a cell per token, and
laying 16 x 16 tokens out on 64 x 64 cells would only cost time.
"""

from __future__ import annotations

from wsi_haloae.config import FeaturesConfig, TimmNetwork
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.frozen import REDUCTION


def map_size(config: FeaturesConfig, image_size: int) -> int:
    """Cells m per side of the map of an image of ``image_size`` pixels a side."""
    finest = image_size // REDUCTION
    if config.timm_name is None:
        return finest
    network = require_resolved(config)
    return min(finest, input_size(network, image_size) // min(network.reductions))


def input_size(network: TimmNetwork, image_size: int) -> int:
    """Pixels per side that the network sees: its own fixed size, or the nearest multiple of its coarsest cell."""
    if network.fixed_size is not None:
        return network.fixed_size
    unit = max(network.reductions)
    return max(1, (image_size + unit // 2) // unit) * unit


def require_resolved(config: FeaturesConfig) -> TimmNetwork:
    """The network behind ``timm:NAME``; a `ConfigError` where nobody has looked the name up yet."""
    if config.timm is None:
        raise ConfigError(
            f"backbone {config.backbone}: the configuration does not say which network this is; "
            "pass it through wsi_haloae.features.resolve.resolve first, as train-tiles does."
        )
    return config.timm
