"""How far features and their reconstruction point apart, by groups of layers: the map of Dinomaly (arXiv 2405.14325).

A cosine ignores how long the two vectors are, so a place of strong features counts as much as one of weak ones. The
layers of a group are one vector, and the groups count equally, whatever their widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from wsi_haloae.config import Config
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.model.recentre import tile_means

SHORTEST = 1e-12
"""Products of lengths below this count as this: what is 0 points nowhere."""


@dataclass(frozen=True)
class Directions:
    """What is compared: ``groups`` of layers by number, of layers with these numbers of channels.

    ``centred``: as seen from the tile's own mean features, which such a block C does not have to rebuild.
    """

    layer_channels: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    centred: bool = False

    @classmethod
    def of(cls, config: Config, layer_channels: Sequence[int]) -> Self:
        """As the loss compares them, if it names groups; otherwise every layer is a group of its own."""
        named: Sequence[Sequence[int]] | None = config.loss.layer_groups
        groups = named or [(layer,) for layer in range(len(layer_channels))]
        centred = config.model.recentre == "tile"
        return cls(tuple(layer_channels), tuple(map(tuple, groups)), centred)

    def apart(self, features: Tensor, reconstruction: Tensor) -> Tensor:
        """Mean over groups of 1 - cosine in each cell: (B, C, m, m) twice -> (B, m, m)."""
        if self.centred:
            means = tile_means(features)
            features, reconstruction = features - means, reconstruction - means
        given, rebuilt = (split_layers(each, self.layer_channels) for each in (features, reconstruction))
        unlike = []
        for group in self.groups:
            lengths = _product(given, given, group) * _product(rebuilt, rebuilt, group)
            unlike.append(1 - _product(given, rebuilt, group) / lengths.sqrt().clamp_min(SHORTEST))
        return torch.stack(unlike).mean(dim=0)


def _product(ours: Sequence[Tensor], theirs: Sequence[Tensor], group: tuple[int, ...]) -> Tensor:
    """The scalar product in each cell of the layers of a group: (B, m, m)."""
    return torch.stack([(ours[layer] * theirs[layer]).sum(dim=1) for layer in group]).sum(dim=0)
