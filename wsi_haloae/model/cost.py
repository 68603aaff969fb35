"""What a model costs: weights and arithmetic of blocks B and C, the two that scoring needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from wsi_haloae.config import FeaturesConfig, ModelConfig, load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.haloae import HaloAE, check_tile_size

BYTES = 4
"""Of a weight."""
FOR_CPU = {"densenet121": "haloae-2-small"}
"""The preset that trains on a CPU, by backbone; for all others `USUAL_FOR_CPU`."""
USUAL_FOR_CPU = "haloae-small"
MUCH = 4
"""How many times cheaper it must be to be worth a line."""
COPIES = 5
"""Of each trained weight: itself, the best so far, its gradient, and the optimiser's two moments."""


@dataclass(frozen=True)
class Cost:
    """Cost of block B (features) and block C (auto-encoder); operations are counted per tile."""

    channels: int
    map_size: int
    features_parameters: int
    features_flops: int
    autoencoder_parameters: int
    autoencoder_flops: int

    @property
    def flops(self) -> int:
        """Operations per tile of both blocks."""
        return self.features_flops + self.autoencoder_flops

    def __str__(self) -> str:
        """Totals in millions of weights and in GFLOP, with the shares of B and C."""
        parameters = self.features_parameters + self.autoencoder_parameters
        return (
            f"{parameters / 1e6:.1f} million weights ({self.features_parameters / 1e6:.1f} features + "
            f"{self.autoencoder_parameters / 1e6:.1f} auto-encoder), {self.flops / 1e9:.1f} GFLOP per tile "
            f"({self.features_flops / 1e9:.1f} + {self.autoencoder_flops / 1e9:.1f})"
        )


def measure_cost(config: ModelConfig, tile_size: int) -> Cost:
    """Count weights and operations from shapes alone: nothing is computed. A multiply-add counts as two operations.

    Raises `ConfigError` if the backbone cannot take tiles of this size.
    """
    with torch.device("meta"):
        model = HaloAE(config, tile_size).eval()
        images = torch.empty(1, 3, model.image_size, model.image_size)
    # Attention as plain products, because the counter does not know every fused kernel.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as of_features:
            features = _features(model, images)
        with FlopCounterMode(display=False) as of_autoencoder:
            model.reconstruct(features)
    return Cost(
        channels=model.backbone.channels,
        map_size=model.map_size,
        features_parameters=_count(model.backbone),
        features_flops=of_features.get_total_flops(),
        autoencoder_parameters=_count(model.encoder, model.decoder),
        autoencoder_flops=of_autoencoder.get_total_flops(),
    )


def require_memory(config: ModelConfig, tile_size: int) -> None:
    """`ConfigError` for a model whose training takes more memory than there is, before the first tile is read."""
    with torch.device("meta"):
        model = HaloAE(config, tile_size)
    trained, frozen = _count(model) - _count(model.backbone), _count(model.backbone)
    needed, free = BYTES * (COPIES * trained + frozen), psutil.virtual_memory().available
    if needed > free:
        raise ConfigError(
            f"a model of {(trained + frozen) / 1e6:,.0f} million weights was asked for; training it takes "
            f"{needed / 2**30:,.1f} GiB, and {free / 2**30:,.1f} GiB are free here. Choose smaller widths: "
            f"model.autoencoder.head_width is {config.autoencoder.head_width}, the widest stage has "
            f"{max(stage.mid for stage in (*config.autoencoder.encoder, *config.autoencoder.decoder))} channels."
        )


def describe_cost(unresolved: ModelConfig, config: ModelConfig, tile_size: int) -> list[str]:
    """Lines for people on the features and the cost of blocks B and C; for timm and DenseNet-121 also that with VGG19.

    ``config`` is ``unresolved`` after `resolve`.
    """
    cost, name = measure_cost(config, tile_size), config.features.backbone
    lines = [
        f"features {name}: {cost.channels} channels on {cost.map_size} x {cost.map_size} cells",
        f"cost of scoring, blocks B and C: {cost}",
    ]
    if config.features.timm is not None or name == "densenet121":
        with_vgg19 = unresolved.model_copy(
            update={"features": FeaturesConfig(standardise=unresolved.features.standardise)}
        )
        lines.append(f"  with vgg19 instead: {measure_cost(with_vgg19, tile_size)}")
    before, after = unresolved.autoencoder, config.autoencoder
    if before.head_width != after.head_width or before.encoder != after.encoder:
        lines.append(
            f"  auto-encoder widened for {cost.channels} channels instead of {before.made_for}: "
            f"head {before.head_width} -> {after.head_width}, code {before.encoder[-1].out} -> {after.encoder[-1].out}"
        )
    return lines


def warn_on_cpu(config: ModelConfig, tile_size: int, device: torch.device, warn: Callable[[str], None]) -> None:
    """Warn of a training on a CPU, if a preset for CPUs would be much cheaper."""
    if device.type != "cpu":
        return
    preset = FOR_CPU.get(config.features.backbone, USUAL_FOR_CPU)
    smaller = load_config(preset).model.model_copy(update={"features": config.features})
    try:
        check_tile_size(smaller, tile_size)
    except ConfigError:  # it would be no remedy for these tiles
        return
    factor = measure_cost(config, tile_size).flops / measure_cost(smaller, tile_size).flops
    if factor < MUCH:
        return
    seen = f"{smaller.input_downsample} x {smaller.input_downsample} pixels averaged to one"
    words = f"this is a CPU, but the model is sized for a GPU, like the default preset haloae; --config {preset} needs"
    warn(f"{words} {factor:.0f} times fewer operations ({seen}).")


def _features(model: HaloAE, images: Tensor) -> Tensor:
    try:
        return model.features(images)
    except RuntimeError as error:  # no memory is used here, so it cannot have run out: the size must be wrong
        size, backbone = model.image_size, model.config.features.backbone
        raise ConfigError(
            f"backbone {backbone} cannot take images of {size} x {size} pixels ({error}). Choose another tile size, "
            "for example a multiple of 224 pixels."
        ) from None


def _count(*parts: nn.Module) -> int:
    return sum(parameter.numel() for part in parts for parameter in part.parameters())
