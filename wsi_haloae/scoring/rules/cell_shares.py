"""Maps of what each cell adds to a tile's distance from the reference: their mean over tissue cells is the score.

The numbers d of a tile are means over its tissue cells: the mean of a channel f is one, and so is its deviation s,
which is the mean of (f - mean)^2 / s. With the weights w = P (d - c) / k, the distance of the tile is

    (d - c)' P (d - c) / k  =  w'(d - c)  =  the mean over cells of w'(e - c)

where e are the numbers of one cell. All cells of a tile share w, so a map costs few operations per feature. A cell is
negative if it lies on the other side of the reference than the whole tile.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.config import DESCRIPTOR
from wsi_haloae.scoring.measured import Measured
from wsi_haloae.scoring.pooling import counted, mean_over
from wsi_haloae.scoring.rules.combined import content
from wsi_haloae.scoring.rules.descriptor import descriptor


def of_content(tiles: Measured) -> Tensor:
    """What each cell adds to the rule `content`: (B, m, m)."""
    usual, numbers = tiles.reference.learned["content"], content(tiles)
    return _adding_up(tiles, _weighted(tiles, usual.weights(numbers)), usual.distance(numbers))


def of_descriptor(tiles: Measured) -> Tensor:
    """What each cell adds to the rule `descriptor`: (B, m, m)."""
    usual, basis, numbers = tiles.reference.learned[DESCRIPTOR], tiles.reference.basis, descriptor(tiles)
    assert basis is not None, "there are descriptors"
    of_means, of_deviations = basis.measured_weights(usual.weights(numbers)).chunk(2, dim=1)
    cells = _weighted(tiles, of_means) + _weighted_squares(tiles, of_deviations)
    return _adding_up(tiles, cells, usual.distance(numbers))


def _weighted(tiles: Measured, weights: Tensor) -> Tensor:
    """The features' weighted sum in each cell, weights (B, C) -> (B, m, m)."""
    return torch.einsum("bc,bchw->bhw", weights, tiles.found.given)


def _weighted_squares(tiles: Measured, weights: Tensor) -> Tensor:
    """The same of (f - mean)^2 / deviation, which is 0 for a channel that is constant in the tile."""
    mean, variance = tiles.feature_moments
    per_square = torch.where(variance > 0, weights / variance.sqrt(), 0)
    return torch.einsum("bc,bchw->bhw", per_square, (tiles.found.given - mean[..., None, None]).square())


def _adding_up(tiles: Measured, cells: Tensor, scores: Tensor) -> Tensor:
    """``cells`` (B, m, m) without the constant of each tile -> with it; 0 where a cell does not count."""
    constants = scores - mean_over(cells, tiles.cells)
    return (cells + constants[:, None, None]).masked_fill(~counted(tiles.cells), 0)
