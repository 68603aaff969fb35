"""What a model makes of a tile in a few numbers, and how far these are from reference tiles'.

A mean over cells and layers loses what matters most: simple tissue and glass are reconstructed
*better* than the reference, so one layer's residual falls while another's rises. A distance from the
joint distribution of the layers' residuals sees both (specification, section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.pooling import mean_over_channels

FLOOR = 1e-6
"""Below any residual that float32 resolves: keeps the logarithm finite where the reconstruction is perfect."""
VARIANCE_FLOOR = 1e-4
"""In standardised units: what a channel that is all but constant in a tile leaves unexplained is no news."""

Gaussians = Mapping[str, Gaussian]
"""By the name of their summary."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Residuals of a batch over ``cells`` (B, m, m), those that count; a mean is taken once, when it is asked for."""

    found: Residuals
    cells: Tensor

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


def _log(numbers: Tensor) -> Tensor:
    return numbers.clamp_min(FLOOR).log()


def _layers(tiles: Measured, _learned: Gaussians) -> Tensor:
    return _log(tiles.layer_residuals)


def _layers_ssim(tiles: Measured, _learned: Gaussians) -> Tensor:
    return _log(torch.cat((tiles.layer_residuals, tiles.layer_dissimilarities), dim=1))


def _profile(tiles: Measured, _learned: Gaussians) -> Tensor:
    return _log(tiles.unexplained_shares)


def _content(tiles: Measured, _learned: Gaussians) -> Tensor:
    return tiles.feature_means


def _combined(tiles: Measured, learned: Gaussians) -> Tensor:
    profile = learned["profile"].distance(_profile(tiles, learned))
    content = learned["content"].distance(_content(tiles, learned))
    return _log(torch.stack([tiles.layer_dissimilarities[:, -1], profile, content], dim=1))


@dataclass(frozen=True)
class Summary:
    """A tile's numbers (B, d), and the reference tiles that teach what is usual.

    ``taught_by`` *train*: many numbers need many tiles. *validation*: tiles that the auto-encoder has not
    seen. The score is a distance from the usual, or, ``one_sided``, an excess over it.
    """

    numbers: Callable[[Measured, Gaussians], Tensor]
    taught_by: Literal["train", "validation"] = "validation"
    one_sided: bool = False


SUMMARIES: Mapping[str, Summary] = {
    "layers": Summary(_layers),
    "layers_ssim": Summary(_layers_ssim),
    "profile": Summary(_profile, taught_by="train"),
    "content": Summary(_content, taught_by="train"),
    "combined": Summary(_combined, one_sided=True),
}
"""By the name that ``scoring.pooling`` has for them."""
ROUNDS: Sequence[Sequence[str]] = (("layers", "layers_ssim"), ("profile", "content"), ("combined",))
"""Summaries that are learned together, from the same tiles; later ones use what earlier ones have learned."""


def score_summary(name: str, tiles: Measured, learned: Gaussians) -> Tensor:
    """The score (B,) of a batch."""
    summary = SUMMARIES[name]
    numbers = summary.numbers(tiles, learned)
    return learned[name].excess(numbers) if summary.one_sided else learned[name].distance(numbers)
