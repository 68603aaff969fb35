"""Builds block B by the name in the configuration, and fills it with weights."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.features.densenet import DenseNetFeatures
from wsi_haloae.features.frozen import FrozenFeatures
from wsi_haloae.features.pixels import PixelFeatures
from wsi_haloae.features.timm_features import TimmFeatures
from wsi_haloae.features.timm_weights import load_timm_weights
from wsi_haloae.features.vgg import MultiScaleFeatures, load_backbone_weights


def build_backbone(config: FeaturesConfig) -> FrozenFeatures:
    """Block B without pretrained weights (random ones are drawn), or the pixels as features."""
    if config.timm_name is not None:
        return TimmFeatures(config)
    match config.backbone:
        case "pixels":
            return PixelFeatures()
        case "densenet121":
            return DenseNetFeatures(config)
        case _:
            return MultiScaleFeatures(config)


def load_weights(features: FrozenFeatures, config: FeaturesConfig, weights: Path | None) -> str:
    """Fill what `build_backbone` made, from the file ``weights`` or a download; returns a description of the source.

    Raises `UsageError` when weights do not fit or cannot be downloaded.
    """
    if config.weights == "random":
        if weights is not None:
            raise UsageError(
                f"--weights {weights} was given, but model.features.weights is random: leave out one of the two."
            )
        return "random weights, fixed seed"
    if isinstance(features, TimmFeatures):
        return load_timm_weights(features, config, weights)
    return load_backbone_weights(features, config.backbone, weights)
