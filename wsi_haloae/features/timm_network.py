"""Networks as timm builds them, without weights: the one place that asks timm for a model.

timm (PyTorch Image Models, https://github.com/huggingface/pytorch-image-models) is an optional
extra, and slow to import: it is imported where it is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from wsi_haloae.errors import ConfigError, UsageError

BUILD_ERRORS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError)
"""What timm raises for names and arguments that it cannot use."""


def require_timm() -> Any:
    """The module timm; a `UsageError` that names the extra where it is not installed."""
    try:
        import timm  # noqa: PLC0415  # optional, and slow
    except ImportError:
        raise UsageError(
            "features of timm were asked for, but timm is not installed: pip install 'wsi-haloae[timm]'."
        ) from None
    return timm


def build_network(name: str, arguments: dict[str, Any], seed: int, *, pretrained: bool = False) -> nn.Module:
    """A whole network with its classifier; without ``pretrained`` random weights that depend on ``seed`` alone.

    On torch's current device: on ``meta`` it takes no memory. Raises whatever timm raises.
    """
    timm = require_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = timm.create_model(name, pretrained=pretrained, **with_layers(arguments))
    return network


def build_cut(architecture: str, arguments: dict[str, Any], seed: int, stages: tuple[int, ...]) -> nn.Module:
    """A network of timm's registry, cut where none of ``stages`` needs it any more; `ConfigError` if it cannot be."""
    timm = require_timm()
    if not timm.is_model(architecture):
        raise ConfigError(f"timm {timm.__version__} has no network {architecture}; a newer timm may have it.")
    # Of its own: else timm takes the image size of its registry's, which need not be that of a hub's model.
    published = {"architecture": architecture}
    try:
        network = build_network(architecture, {**arguments, "pretrained_cfg": published}, seed)
        network.prune_intermediate_layers(list(stages), prune_norm=not is_plain(network))  # type: ignore[operator]
    except (*BUILD_ERRORS, AttributeError) as error:
        raise ConfigError(f"timm cannot build {architecture} with {arguments} for stages {stages}: {error}") from None
    return network


def is_plain(network: nn.Module) -> bool:
    """Whether all its stages have one resolution: a vision transformer, not a pyramid."""
    return len({stage["reduction"] for stage in feature_info(network)}) == 1


def feature_info(network: nn.Module) -> list[dict[str, Any]]:
    """The list that timm keeps of a network's stages: num_chs, reduction and module of each."""
    return list(network.feature_info)  # type: ignore[arg-type]


def with_layers(arguments: dict[str, Any]) -> dict[str, Any]:
    """``mlp_layer: SwiGLUPacked`` as the class of that name in timm.layers; timm looks other layers up itself."""
    name = arguments.get("mlp_layer")
    if name is None:
        return arguments
    from timm import layers  # noqa: PLC0415

    layer = getattr(layers, str(name), None)
    kind = getattr(layer, "func", layer)  # SwiGLUPacked is a partial of GluMlp
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ValueError(f"timm.layers has no layer {name}")
    return {**arguments, "mlp_layer": layer}
