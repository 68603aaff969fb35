"""How far features and their reconstruction point apart, by groups of layers: the map of Dinomaly (arXiv 2405.14325).

A cosine ignores how long the two vectors are, so a place of strong features counts as much as one of weak ones. The
layers of a group are one vector, and the groups count equally, whatever their widths.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wsi_haloae.config import LossConfig
from wsi_haloae.features.vgg import split_layers

Groups = tuple[tuple[int, ...], ...]
"""Numbers of the layers in each group."""
SHORTEST = 1e-12
"""Products of lengths below this count as this: what is 0 points nowhere."""


def layer_groups(loss: LossConfig, layers: int) -> Groups:
    """The groups that the loss compares, if it names any; otherwise every layer is a group of its own."""
    named: Sequence[Sequence[int]] | None = getattr(loss, "layer_groups", None)
    return tuple(map(tuple, named)) if named else tuple((layer,) for layer in range(layers))


def cosine_map(features: Tensor, reconstruction: Tensor, layer_channels: Sequence[int], groups: Groups) -> Tensor:
    """Mean over groups of 1 - cosine in each cell: (B, C, m, m) twice -> (B, m, m)."""
    given, rebuilt = (split_layers(each, tuple(layer_channels)) for each in (features, reconstruction))

    def product(ours: list[Tensor], theirs: list[Tensor], group: tuple[int, ...]) -> Tensor:
        return torch.stack([(ours[layer] * theirs[layer]).sum(dim=1) for layer in group]).sum(dim=0)  # (B, m, m)

    unlike = [
        1 - product(given, rebuilt, group) / lengths.sqrt().clamp_min(SHORTEST)
        for group in groups
        for lengths in [product(given, given, group) * product(rebuilt, rebuilt, group)]
    ]
    return torch.stack(unlike).mean(dim=0)
