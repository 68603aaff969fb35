"""Block B from a timm network: frozen multi-scale features of any model that timm can build.

Pyramids (convolutional or transformers) provide the stages that reduce the image by 4 to 16. Plain vision
transformers, pathology's foundation models among them, provide the tokens of four depths, each through the network's
last norm, as DINOv2's ``get_intermediate_layers`` does (Oquab et al. 2023, arXiv 2304.07193). Status: shapes and
alignment are tested with random weights.

A stride-2 convolution with an odd kernel is centred on the upper left of its cell. So a ResNet stage of reduction r
sees what lies up to r/2 pixels away from the cell's place in the grid. Patches and even kernels (transformers,
ConvNeXt) are exact.

timm (PyTorch Image Models, https://github.com/huggingface/pytorch-image-models) is an optional extra, and slow to
import: it is imported where it is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.errors import ConfigError, UsageError
from wsi_haloae.features.frozen import FrozenFeatures
from wsi_haloae.features.grid import bring_to, input_size, map_size, require_resolved
from wsi_haloae.features.preprocessing import renormalise


class TimmFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, m, m), m = `grid.map_size`.

    The images are normalised again with the network's own mean and std, and resized if the network needs another size.
    All stages are brought to one grid: average pooling for finer ones, bilinear interpolation for coarser ones.
    ``network`` keeps timm's weight names. Raises `ConfigError` for what timm cannot build.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self._config, self._plan = config, require_resolved(config)
        self.network = self._build()
        stages = feature_info(self.network)
        self.layers = tuple(str(stages[stage]["module"]) for stage in self._plan.stages)
        self.layer_channels = self._plan.channels
        self.requires_grad_(False)
        self.eval()

    def _build(self) -> nn.Module:
        plan = self._plan
        return build_cut(plan.architecture, plan.arguments, self._config.random_seed, plan.stages)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, C, m, m)."""
        cells = map_size(self._config, images.shape[-1])
        return torch.cat([bring_to(x, cells) for x in self.stage_maps(images)], dim=1)  # (B, C, m, m)

    @torch.no_grad()
    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, s, s) -> the map of each stage on its own grid, (B, channels, input size / reduction, the same)."""
        x = renormalise(images, self._plan.mean, self._plan.std)
        size = input_size(self._plan, images.shape[-1])
        if size != images.shape[-1]:
            x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)
        maps: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            x, indices=list(self._plan.stages), norm=is_plain(self.network), output_fmt="NCHW", intermediates_only=True
        )
        return maps

    def leave_meta(self) -> None:
        """Compute position indices and similar buffers, which timm does not store with the weights."""
        if any(buffer.is_meta for buffer in self.network.buffers()):
            network = self._build().requires_grad_(requires_grad=False).eval()
            network.load_state_dict(self.network.state_dict(), assign=True)
            self.network = network


BUILD_ERRORS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError)
"""What timm raises for names and arguments that it cannot use."""


def require_timm() -> Any:
    """The timm module; `UsageError` that names the extra if it is not installed."""
    try:
        import timm  # noqa: PLC0415  # optional, and slow
    except ImportError:
        raise UsageError(
            "timm is needed for this backbone, but it is not installed. Install it with: pip install "
            "'wsi-haloae[timm]'."
        ) from None
    return timm


def build_network(name: str, arguments: dict[str, Any], seed: int, *, pretrained: bool = False) -> nn.Module:
    """A whole network with its classifier; without ``pretrained``, random weights that depend only on ``seed``.

    On torch's current device: on ``meta`` it takes no memory. Raises whatever timm raises.
    """
    timm = require_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = timm.create_model(name, pretrained=pretrained, **with_layers(arguments))
    return network


def build_cut(architecture: str, arguments: dict[str, Any], seed: int, stages: tuple[int, ...]) -> nn.Module:
    """A network from timm's registry, cut after the last of ``stages``; `ConfigError` if that is not possible."""
    timm = require_timm()
    if not timm.is_model(architecture):
        raise ConfigError(f"timm {timm.__version__} has no network {architecture}; a newer version may have it.")
    # A config of its own: otherwise timm takes the image size from its registry, which may differ from a hub's model.
    published = {"architecture": architecture}
    try:
        network = build_network(architecture, {**arguments, "pretrained_cfg": published}, seed)
        network.prune_intermediate_layers(list(stages), prune_norm=not is_plain(network))  # type: ignore[operator]
    except (*BUILD_ERRORS, AttributeError) as error:
        raise ConfigError(f"timm cannot build {architecture} with {arguments} for stages {stages}: {error}") from None
    return network


def is_plain(network: nn.Module) -> bool:
    """Whether all stages have the same resolution: a vision transformer, not a pyramid."""
    return len({stage["reduction"] for stage in feature_info(network)}) == 1


def feature_info(network: nn.Module) -> list[dict[str, Any]]:
    """Description of each stage by timm: num_chs, reduction and module."""
    return list(network.feature_info)  # type: ignore[arg-type]


def with_layers(arguments: dict[str, Any]) -> dict[str, Any]:
    """Replace ``mlp_layer: SwiGLUPacked`` by that class of timm.layers; timm looks up other layers itself."""
    name = arguments.get("mlp_layer")
    if name is None:
        return arguments
    from timm import layers  # noqa: PLC0415

    layer = getattr(layers, str(name), None)
    kind = getattr(layer, "func", layer)  # SwiGLUPacked is a partial of GluMlp
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ValueError(f"timm.layers has no layer {name}")
    return {**arguments, "mlp_layer": layer}
