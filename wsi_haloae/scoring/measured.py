"""The residuals of a batch of tiles, and what was learned from reference tiles: the input of every scoring rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from wsi_haloae.adaptation.standpoint import Standpoint
from wsi_haloae.config.rules import DESCRIPTOR, WHITENED, Source
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.model.whitening import precision_root
from wsi_haloae.scoring.pooling import mean_over_channels, moments_over_channels

FLOOR = 1e-6
"""Smaller than any residual that float32 resolves: keeps the logarithm finite if the reconstruction is perfect."""
VARIANCE_FLOOR = 1e-4
"""In standardised units: limits the ratio for a channel that is almost constant in a tile, which means nothing."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What was learned from reference tiles: mean maps (m, m) by residual, distributions by rule, and a basis.

    ``places`` (C, m, m) are the mean residuals of aligned images, and ``root`` (C, C) belongs to the rule *whitened*.
    """

    mean_maps: Mapping[Source, Tensor]
    learned: Mapping[str, Gaussian]
    basis: Basis | None = None
    places: Tensor | None = None
    root: Tensor | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device) -> Self:
        """From a checkpoint, on ``device``. The image has no mean map if it was not trained."""
        maps: dict[Source, Tensor] = {"features": checkpoint.mean_map.to(device)}
        if checkpoint.mean_image_map is not None:
            maps["image"] = checkpoint.mean_image_map.to(device)
        learned = {name: gaussian.to(maps["features"]) for name, gaussian in checkpoint.gaussians.items()}
        described = checkpoint.descriptors
        places, whitened = checkpoint.place_means, checkpoint.gaussians.get(WHITENED)
        return cls(
            maps,
            learned,
            described.basis.to(maps["features"]) if described else None,
            None if places is None else places.to(device),
            None if whitened is None else precision_root(whitened, len(checkpoint.feature_range)).to(device),
        )

    def seen_from(self, standpoint: Standpoint) -> Self:
        """The same, with descriptors compared as ``standpoint`` does: from the level of one slide."""
        level = standpoint.level
        like = next(iter(self.mean_maps.values()))
        centre, precision = torch.from_numpy(level.centre), torch.from_numpy(level.precision / standpoint.scale)
        return replace(self, learned={**self.learned, DESCRIPTOR: Gaussian(centre, precision).to(like)})


@dataclass(frozen=True, eq=False)
class Measured:
    """Residuals of a batch and the ``cells`` (B, m, m) that count; each mean is computed once, when first used."""

    found: Residuals
    cells: Tensor
    reference: Reference

    @cached_property
    def everywhere(self) -> Self:
        """The same batch with all cells counting, glass included."""
        return replace(self, cells=torch.ones_like(self.cells))

    @cached_property
    def layer_residuals(self) -> Tensor:
        """Mean squared residual of each layer: (B, layers)."""
        return mean_over_channels(self.found.layers, self.cells)

    @cached_property
    def layer_dissimilarities(self) -> Tensor:
        """Mean 1 - SSIM of each compared layer, the deepest last: (B, compared layers)."""
        assert self.found.layer_dissimilarities is not None, "compared for the rules that need it"
        return mean_over_channels(self.found.layer_dissimilarities, self.cells)

    @cached_property
    def feature_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel: (B, C) each."""
        return moments_over_channels(self.found.given, self.cells)

    @cached_property
    def unexplained_shares(self) -> Tensor:
        """Each channel's mean squared residual divided by its variance in the tile: (B, C).

        Dividing by the tile's own variance makes simple tissue, which any model reconstructs, comparable with complex
        tissue. The profile over channels shows *what* is not explained.
        """
        squared = mean_over_channels(self.found.channels, self.cells)
        return (squared + VARIANCE_FLOOR) / (self.feature_moments[1] + VARIANCE_FLOOR)


def log(numbers: Tensor) -> Tensor:
    """The logarithm, kept finite at 0."""
    return numbers.clamp_min(FLOOR).log()
