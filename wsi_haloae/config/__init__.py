"""Configuration: the settings that a YAML preset, ``--config`` and ``--set`` can change.

The defaults are the sizes in the paper (HaloAE, VISAPP 2023), with the corrections in the specification. A YAML file
lists only what differs from the defaults. Unknown keys are refused, with a suggestion.
"""

from wsi_haloae.config.encoder_words import announce_encoder
from wsi_haloae.config.layers import LAYERS, Layer
from wsi_haloae.config.model import (
    AttentionConfig,
    AutoEncoderConfig,
    ClassifierConfig,
    FeaturesConfig,
    ImageDecoderConfig,
    ModelConfig,
    StageConfig,
    SwinConfig,
)
from wsi_haloae.config.presets import KINDS, MVTEC_BASE, SLIDE_BASE, changed_tissue, load_config, preset_names
from wsi_haloae.config.profile_use import ProfileUse
from wsi_haloae.config.rule_words import MapShows, autoencoder_words, map_title, map_words, rule_words
from wsi_haloae.config.rules import (
    AUTO,
    CUSTOM,
    DESCRIPTOR,
    PAPER,
    RULES,
    WHITENED,
    Rule,
    candidates,
    compared_by,
    statistics_of,
)
from wsi_haloae.config.scoring import GLASS_LEVEL, ScoringConfig, StainConfig, TissueConfig
from wsi_haloae.config.timm import TimmNetwork
from wsi_haloae.config.training import EwsConfig, LossConfig, SplitConfig, TrainingConfig
from wsi_haloae.config.whole import AS_RELEASED, Config, differences, merge, value_at

__all__ = [
    "AS_RELEASED",
    "AUTO",
    "CUSTOM",
    "DESCRIPTOR",
    "GLASS_LEVEL",
    "KINDS",
    "LAYERS",
    "MVTEC_BASE",
    "PAPER",
    "RULES",
    "SLIDE_BASE",
    "WHITENED",
    "AttentionConfig",
    "AutoEncoderConfig",
    "ClassifierConfig",
    "Config",
    "EwsConfig",
    "FeaturesConfig",
    "ImageDecoderConfig",
    "Layer",
    "LossConfig",
    "MapShows",
    "ModelConfig",
    "ProfileUse",
    "Rule",
    "ScoringConfig",
    "SplitConfig",
    "StageConfig",
    "StainConfig",
    "SwinConfig",
    "TimmNetwork",
    "TissueConfig",
    "TrainingConfig",
    "announce_encoder",
    "autoencoder_words",
    "candidates",
    "changed_tissue",
    "compared_by",
    "differences",
    "load_config",
    "map_title",
    "map_words",
    "merge",
    "preset_names",
    "rule_words",
    "statistics_of",
    "value_at",
]
