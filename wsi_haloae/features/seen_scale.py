"""At which pixel size a named encoder sees the tiles, compared with those at which it was trained."""

from __future__ import annotations

from math import log

from wsi_haloae.config import ModelConfig
from wsi_haloae.config.encoder_words import mpp_words
from wsi_haloae.config.encoders import encoder_of
from wsi_haloae.features.grid import input_size, require_resolved

TOLERANCE = 1.1
"""The largest ratio of pixel sizes that is not worth a warning. Scanners of one magnification differ by as much."""


def scale_warning(config: ModelConfig, tile_size: int, mpp: float) -> str | None:
    """What to say of tiles whose pixels (``mpp`` µm) the network sees larger or smaller than those it was trained on.

    None if they fit, and for a backbone that is no encoder of the table or was trained on photographs.
    """
    encoder, averaged = encoder_of(config.features.backbone), config.input_downsample
    if encoder is None or not encoder.mpp:
        return None
    image_size = tile_size // averaged
    network_size = input_size(require_resolved(config.features), image_size)
    seen = mpp * tile_size / network_size
    nearest = min(encoder.mpp, key=lambda trained: abs(log(trained / seen)))
    if max(seen / nearest, nearest / seen) <= TOLERANCE:
        return None
    how = f"tiles of {tile_size} px at {mpp:.4g} µm/px"
    if averaged > 1:
        how += f", {averaged} x {averaged} pixels averaged to one"
    if network_size != image_size:
        how += f", resized to {network_size} px"
    return (
        f"the encoder {encoder.name} was trained at {mpp_words(encoder)} µm/px, but sees these tiles at {seen:.3g} "
        f"µm/px ({how}). {_remedy(encoder.image_size, network_size, averaged, nearest)}"
    )


def _remedy(trained_size: int, network_size: int, averaged: int, mpp: float) -> str:
    if averaged > 1:
        return f"Set model.input_downsample=1, with tiles cut at {mpp:g} µm/px (--mpp-target)."
    size = f" of {trained_size} px (--tile-size)" if network_size == trained_size else ""
    return f"Cut tiles{size} at {mpp:g} µm/px (--mpp-target)."
