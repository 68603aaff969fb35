"""Completes a configuration before anything is built: looks up ``timm:NAME``, and fits the widths of block C to it.

The widths of a preset suit the number of channels in ``made_for``, VGG19's 704 for most. For features of timm and of
DenseNet-121 they are scaled by the square root of the ratio of channels. The cost of a cell then grows in proportion to
the channels between two stages, and with their power 1.5 in the head and at the end. Scaled in proportion, 4096
channels would cost 34 times as much per cell; unscaled, they would pass through a code of 29. This rule is reasoned,
not yet measured on pretrained features.
"""

from __future__ import annotations

from math import floor, sqrt

from wsi_haloae.config import AutoEncoderConfig, Config, ModelConfig, StageConfig, SwinConfig
from wsi_haloae.features.timm_names import look_up


def resolve(config: Config) -> Config:
    """``config`` with the network behind ``timm:NAME`` and the widths of block C written out.

    A configuration that is already complete is not changed, nor one with a VGG or pixels. Raises the errors of
    `timm_names.look_up`.
    """
    if config.model.features.backbone == "densenet121":
        channels = sum(layer.channels for layer in config.model.features.chosen_layers.values())
        return config.model_copy(update={"model": suit_widths(config.model, channels)})
    if config.model.features.timm_name is None:
        return config
    network = config.model.features.timm or look_up(config.model.features)
    features = config.model.features.model_copy(update={"timm": network})
    model = config.model.model_copy(update={"features": features})
    return config.model_copy(update={"model": suit_widths(model, sum(network.channels))})


def suit_widths(config: ModelConfig, channels: int) -> ModelConfig:
    """``config`` with the widths of block C for ``channels`` channels; the numbers of heads and the kernels stay."""
    made_for = config.autoencoder.made_for
    if made_for is None:
        return config
    factor = sqrt(channels / made_for)
    return config.model_copy(
        update={
            "autoencoder": _suit_autoencoder(config.autoencoder, factor),
            "swin": _suit_swin(config.swin, factor),
        }
    )


def _suit_autoencoder(config: AutoEncoderConfig, factor: float) -> AutoEncoderConfig:
    return config.model_copy(
        update={
            "made_for": None,
            "head_width": _scaled(config.head_width, factor),
            "code_rank": None if config.code_rank is None else _scaled(config.code_rank, factor),
            "encoder": tuple(_suit_stage(stage, factor) for stage in config.encoder),
            "decoder": tuple(_suit_stage(stage, factor) for stage in config.decoder),
        }
    )


def _suit_stage(stage: StageConfig, factor: float) -> StageConfig:
    out = None if stage.out is None else _scaled(stage.out, factor)
    return stage.model_copy(update={"mid": _scaled(stage.mid, factor), "out": out})


def _suit_swin(config: SwinConfig, factor: float) -> SwinConfig:
    """Widths stay multiples of ``dim_head``, so that every stage divides into heads."""
    widths = tuple(config.dim_head * _scaled(width / config.dim_head, factor) for width in config.widths)
    return config.model_copy(update={"widths": widths})


def _scaled(width: float, factor: float) -> int:
    return max(1, floor(width * factor + 0.5))
