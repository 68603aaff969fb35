"""The smallest networks of timm of each kind, with random weights, for the tests of features from timm."""

from __future__ import annotations

from typing import Any

import torch

from tests.model.tiny import TINY
from wsi_haloae.config import Config, FeaturesConfig, ModelConfig
from wsi_haloae.features.backbones import build_backbone
from wsi_haloae.features.resolve import resolve
from wsi_haloae.features.timm_features import TimmFeatures

torch.set_num_threads(1)

CNN, CONVNEXT, MAXVIT = "timm:test_resnet", "timm:test_convnext", "timm:test_maxvit"
SWIN, VIT = "timm:swin_tiny_patch4_window7_224", "timm:test_vit3"
SMALL_SWIN = {"embed_dim": 12, "depths": (2, 2, 2, 2), "num_heads": (1, 1, 1, 1)}
SMALL_PATCH = {"patch_size": 8}
TILE = 96


def resolved(backbone: str, **features: Any) -> ModelConfig:
    """The tiny model on features of timm."""
    given = {"backbone": backbone, "weights": "random", **features}
    return resolve(Config.model_validate({"model": {**TINY, "features": given}})).model


def features_of(backbone: str, **features: Any) -> tuple[TimmFeatures, FeaturesConfig]:
    """Block B alone, as the tiny model has it, and its resolved configuration."""
    config = resolved(backbone, **features).features
    found = build_backbone(config)
    assert isinstance(found, TimmFeatures)
    return found, config
