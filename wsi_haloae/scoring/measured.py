"""What a model makes of a batch of tiles, and what it knows of reference tiles: all that a scoring rule may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from wsi_haloae.config.rules import Source
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.pooling import mean_over_channels

FLOOR = 1e-6
"""Below any residual that float32 resolves: keeps the logarithm finite where the reconstruction is perfect."""
VARIANCE_FLOOR = 1e-4
"""In standardised units: what a channel that is all but constant in a tile leaves unexplained is no news."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What reference tiles taught: the mean map (m, m) of each residual, and the distributions of rules by name."""

    mean_maps: Mapping[Source, Tensor]
    learned: Mapping[str, Gaussian]

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device) -> Self:
        """On ``device``. The image has no mean map where it was not trained."""
        maps: dict[Source, Tensor] = {"features": checkpoint.mean_map.to(device)}
        if checkpoint.mean_image_map is not None:
            maps["image"] = checkpoint.mean_image_map.to(device)
        learned = {name: gaussian.to(maps["features"]) for name, gaussian in checkpoint.gaussians.items()}
        return cls(maps, learned)


@dataclass(frozen=True, eq=False)
class Measured:
    """Residuals of a batch over ``cells`` (B, m, m), those that count; a mean is taken once, when it is asked for."""

    found: Residuals
    cells: Tensor
    reference: Reference

    @cached_property
    def everywhere(self) -> Self:
        """The same batch over all cells, glass included."""
        return replace(self, cells=torch.ones_like(self.cells))

    @cached_property
    def layer_residuals(self) -> Tensor:
        """Mean squared residual of each layer: (B, layers)."""
        return mean_over_channels(self.found.layers, self.cells)

    @cached_property
    def layer_dissimilarities(self) -> Tensor:
        """Mean 1 - SSIM of each layer: (B, layers)."""
        assert self.found.layer_dissimilarities is not None, "computed wherever tiles are scored"
        return mean_over_channels(self.found.layer_dissimilarities, self.cells)

    @cached_property
    def feature_means(self) -> Tensor:
        """Mean of each channel: (B, C)."""
        return mean_over_channels(self.found.given, self.cells)

    @cached_property
    def unexplained_shares(self) -> Tensor:
        """Each channel's mean squared residual over its variance in the tile: (B, C).

        Dividing by the tile's own variance makes simple tissue, which any model reconstructs, comparable
        with complex tissue; the profile over channels tells *what* is not explained.
        """
        squared = mean_over_channels(self.found.channels, self.cells)
        variance = mean_over_channels(self.found.given.square(), self.cells) - self.feature_means.square()
        return (squared + VARIANCE_FLOOR) / (variance.clamp_min(0) + VARIANCE_FLOOR)


def log(numbers: Tensor) -> Tensor:
    """The logarithm, finite at 0 too."""
    return numbers.clamp_min(FLOOR).log()
