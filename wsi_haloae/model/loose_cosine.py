"""The loose cosine loss of Dinomaly (Guo et al. 2025, arXiv 2405.14325), for features of a convolutional network.

Features and reconstruction are compared by their direction: 1 - cosine of all channels and cells of an image at once,
for each group of layers, then averaged. Loose: the cells that are rebuilt best, a share of all in the batch, pass on
only a part of their gradient, so that training does not go on to copy them to the last digit. The share rises during
the first tenth of the schedule, as Dinomaly's does during the first 1,000 of 10,000 steps.

A group's layers are concatenated, because their widths differ; Dinomaly adds up those of a transformer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.config import LossConfig
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.model.weighting import T_END

RISES_UNTIL = T_END / 10
"""Schedule time from which the whole share is damped."""

LayerGroups = Sequence[Sequence[int]] | None


def require_layers(groups: LayerGroups, layers: Sequence[str]) -> None:
    """`ConfigError` unless each of the backbone's ``layers`` is in exactly one group."""
    if groups is None or sorted(number for group in groups for number in group) == list(range(len(layers))):
        return
    known = ", ".join(f"{number} {name}" for number, name in enumerate(layers))
    raise ConfigError(
        f"loss.layer_groups is {[list(group) for group in groups]}, but the features have {len(layers)} layers "
        f"({known}), and each must be in exactly one group. null: each is a group of its own."
    )


def grouped(x: Tensor, layer_channels: tuple[int, ...], groups: LayerGroups) -> list[Tensor]:
    """Features (B, C, m, m) -> those of each group of layers, (B, C', m, m)."""
    layers = split_layers(x, layer_channels)
    return layers if groups is None else [torch.cat([layers[number] for number in group], dim=1) for group in groups]


def cosine_distance(x: Tensor, y: Tensor) -> Tensor:
    """1 - cosine of the channels at each cell: (B, C, m, m) twice -> (B, m, m)."""
    return 1 - F.cosine_similarity(x, y, dim=1)


def loose_cosine(
    features: Tensor, reconstruction: Tensor, layer_channels: tuple[int, ...], config: LossConfig, t: float
) -> Tensor:
    """The loss at schedule time ``t``: (B, C, m, m) twice -> a scalar."""
    easy_share = config.easy_share * min(1.0, t / RISES_UNTIL)
    x, y = (grouped(z.float(), layer_channels, config.layer_groups) for z in (features, reconstruction))
    each = []
    for given, rebuilt in zip(x, y, strict=True):
        loose = damped(given, rebuilt, easy_share, config.easy_gradient)
        each.append(cosine_distance(given.flatten(1), loose.flatten(1)).mean())
    return torch.stack(each).mean()


def damped(given: Tensor, rebuilt: Tensor, share: float, gradient: float) -> Tensor:
    """``rebuilt`` (B, C, m, m) itself, but the best ``share`` of its cells pass on that part of their ``gradient``."""
    if not share or not rebuilt.requires_grad:
        return rebuilt
    held = rebuilt.detach()
    distance = cosine_distance(given, held)
    hard = max(1, round(distance.numel() * (1 - share)))
    limit = distance.flatten().topk(hard).values[-1]
    passed = torch.where(distance < limit, gradient, 1.0).unsqueeze(1)  # (B, 1, m, m)
    return held + passed * (rebuilt - held)
