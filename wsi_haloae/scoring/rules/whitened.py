"""Residuals measured by the covariance of held-out reference residuals (`wsi_haloae.model.whitening`)."""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.whitening import SecondMoment, whitened_map
from wsi_haloae.scoring.measured import Measured
from wsi_haloae.scoring.pooling import counted


def whitened(tiles: Measured) -> Tensor:
    """The measure r' S^-1 r / C of each cell: (B, m, m); 0 where a cell does not count."""
    assert tiles.reference.root is not None, "models with the rule's statistics have it"
    return whitened_map(_residual(tiles), tiles.reference.root).masked_fill(~counted(tiles.cells), 0)


class CovarianceLearner:
    """Learns S from the cells of reference tiles; its mean is 0, as `wsi_haloae.model.whitening` explains."""

    def __init__(self) -> None:
        self._found = SecondMoment()

    def add(self, tiles: Measured, count: int) -> None:
        """The first ``count`` tiles of a batch."""
        for residual, cells in zip(_residual(tiles)[:count], counted(tiles.cells)[:count], strict=True):
            self._found.add(residual, cells)

    def learned(self) -> Gaussian:
        """Inverse covariance; `UsageError` if all tiles are rebuilt exactly."""
        covariance = self._found.shrunk()
        if not float(covariance.trace()) > 0:
            raise UsageError(
                "all held-out tiles are rebuilt exactly, so scoring.rule whitened has no residuals to learn from; "
                "train block C, or use another rule."
            )
        return Gaussian(torch.zeros(len(covariance)), torch.linalg.inv(covariance).float())


def _residual(tiles: Measured) -> Tensor:
    """What is not explained, without its mean in each place if images are aligned: (B, C, m, m)."""
    residual = tiles.found.unexplained
    return residual if tiles.reference.places is None else residual - tiles.reference.places
