"""Block B from a network of timm: frozen multi-scale features of any model that it can build.

Pyramids (convolutional or transformers) give the stages that reduce the image by 4 to 16; plain vision
transformers, pathology's foundation models among them, give the tokens of four depths, each through
the network's last norm, as DINOv2's ``get_intermediate_layers`` does (Oquab et al. 2023, arXiv
2304.07193). Status: shapes and alignment are tested with random weights.

A stride-2 convolution with an odd kernel looks at the upper left of its cell, so a ResNet's stage of
reduction r sees what lies up to r/2 pixels away from where the grid draws it; patches and even
kernels (transformers, ConvNeXt) are exact.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.features.frozen import FrozenFeatures
from wsi_haloae.features.grid import input_size, map_size, require_resolved
from wsi_haloae.features.preprocessing import renormalise
from wsi_haloae.features.timm_network import build_cut, feature_info, is_plain


class TimmFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, m, m), m = `grid.map_size`.

    Normalised anew with the network's own mean and std, resized where the network wants another
    size, and all stages brought to one grid: average pooling down, bilinear up. ``network`` keeps
    timm's names of weights. Raises `ConfigError` for what timm cannot build.
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
        return torch.cat([_bring_to(x, cells) for x in self.stage_maps(images)], dim=1)  # (B, C, m, m)

    @torch.no_grad()
    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, s, s) -> the stages' own maps, (B, channels, input size / reduction, the same) each."""
        x = renormalise(images, self._plan.mean, self._plan.std)
        size = input_size(self._plan, images.shape[-1])
        if size != images.shape[-1]:
            x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)
        maps: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            x, indices=list(self._plan.stages), norm=is_plain(self.network), output_fmt="NCHW", intermediates_only=True
        )
        return maps

    def leave_meta(self) -> None:
        """Compute position indices and the like: timm keeps them outside the weights."""
        if any(buffer.is_meta for buffer in self.network.buffers()):
            network = self._build().requires_grad_(requires_grad=False).eval()
            network.load_state_dict(self.network.state_dict(), assign=True)
            self.network = network


def _bring_to(x: Tensor, cells: int) -> Tensor:
    """(B, C, h, w) -> (B, C, cells, cells)."""
    if x.shape[-1] > cells:
        return F.adaptive_avg_pool2d(x, cells)
    if x.shape[-1] < cells:
        return F.interpolate(x, size=(cells, cells), mode="bilinear", align_corners=False)
    return x
