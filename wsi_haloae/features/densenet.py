"""Block B: frozen multi-scale features of DenseNet-121, cut after the last layer that is needed.

Huang et al. 2017 (arXiv 1608.06993); torchvision's module and weight names. Layers are named as its modules:

    denseblock1, 2, 3              256, 512, 1024 channels at 4, 8, 16 input pixels per cell: all that a block has found
    transition1.conv, 2, 3         128, 256, 512 channels on the same grids: what the network itself keeps of that
    pool0                          64 channels at 4 input pixels per cell: what the first block begins with

Status: checked against torchvision's DenseNet in the tests. Its first convolution and pooling are centred on the upper
left of their cells, so every feature sees what lies 1.5 input pixels up and left of its cell's centre.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.features.frozen import FrozenFeatures
from wsi_haloae.features.grid import bring_to, map_size


class DenseNetFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, m, m), m = `grid.map_size`.

    ``features`` has torchvision's modules up to the last chosen layer, and so its keys. The random weights that it
    begins with depend on the configuration's seed alone.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self._config = config
        self.layers = tuple(config.chosen_layers)
        self.layer_channels = tuple(layer.channels for layer in config.chosen_layers.values())
        self.features, self._order = _cut(_whole(config.random_seed), self.layers[-1])
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, C, m, m)."""
        cells = map_size(self._config, images.shape[-1])
        x, maps = images, []
        for name in self._order:
            x = self.features.get_submodule(name)(x)
            if name in self.layers:
                maps.append(bring_to(x, cells))
        return torch.cat(maps, dim=1)  # (B, C, m, m)


def _whole(seed: int) -> nn.Sequential:
    from torchvision.models import densenet121  # noqa: PLC0415  # slow to import

    where = torch.get_default_device()
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):  # drawn on meta, it would import torch's compiler
        torch.manual_seed(seed)
        features: nn.Sequential = densenet121(weights=None).features
    return features.to(where)


def _cut(features: nn.Sequential, last: str) -> tuple[nn.Sequential, tuple[str, ...]]:
    """The modules up to the one that has ``last``, and the names to compute in turn; transitions are taken apart."""
    kept, order = nn.Sequential(), []
    for name, module in features.named_children():
        kept.add_module(name, module)
        parts = [f"{name}.{part}" for part, _ in module.named_children()] if "transition" in name else [name]
        order += parts
        if last in parts:
            break
    return kept, tuple(order[: order.index(last) + 1])
