"""Block C, the auto-encoder, in the variants that Table 4 of the paper compares.

Every variant encodes features (B, C, m, m) and decodes them again. All but one have a code as wide as HaloAE's, so that
they compress equally; the auto-encoder of images has one code per image.
"""

from __future__ import annotations

from torch import nn

from wsi_haloae.config import AttentionConfig, ModelConfig
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.bergmann import bergmann
from wsi_haloae.model.dfr_cnn import dfr_cnn
from wsi_haloae.model.halo_attention import largest_radius
from wsi_haloae.model.halo_autoencoder import HaloDecoder, HaloEncoder
from wsi_haloae.model.swin import swin


def build_block_c(config: ModelConfig, channels: int, map_size: int) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder for features (B, ``channels``, m, m), m = ``map_size``.

    The decoder's output has the size of the features, except for the HaloNet without padding (``map_size: stretch60``),
    whose output is four cells smaller per side.
    """
    match config.block_c:
        case "dfr_cnn":
            return dfr_cnn(channels, _code_width(config, channels))
        case "swin":
            return swin(channels, _code_width(config, channels), config.swin)
        case "bergmann":
            return bergmann(channels, map_size)
        case "halo" | "residual_cnn":
            return _halonet(config, channels, map_size)


def _halonet(config: ModelConfig, channels: int, map_size: int) -> tuple[nn.Module, nn.Module]:
    attention, same_size = config.attention if config.block_c == "halo" else None, config.map_size == "same"
    if attention is not None:
        _require_keys(attention, map_size if same_size else map_size - config.autoencoder.head_kernel + 1)
    encoder = HaloEncoder(channels, config.autoencoder, attention, same_size=same_size)
    decoder = HaloDecoder(encoder.code_channels, channels, config.autoencoder, attention, signed=config.signed)
    return encoder, decoder


def _require_keys(config: AttentionConfig, cells: int) -> None:
    largest = largest_radius(cells, config.block_size, config.halo_size)
    if config.mask_neighbours > largest:
        raise ConfigError(
            f"model.attention.mask_neighbours is {config.mask_neighbours}, which hides every key from some queries on "
            f"a map of {cells} x {cells} cells (block_size {config.block_size}, halo_size {config.halo_size}; the last "
            f"block may be cut off). Choose at most {largest}, or a block_size that divides {cells}."
        )


def _code_width(config: ModelConfig, channels: int) -> int:
    return config.autoencoder.encoder[-1].out or channels
